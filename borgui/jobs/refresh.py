"""Kind ``refresh``: a repository's archives are listed anew."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui.borg import commands
from borgui.borg.causes import NOTHING_CHANGED
from borgui.jobs.job import Job, Priority, Status, Trigger
from borgui.jobs.kind import Context, Kind, Outcome, Route, Step
from borgui.jobs.repository_state import take_archives
from borgui.jobs.steps import borg_step, list_step, repository_of
from borgui.models import Repository
from borgui.security.permissions import Permission

DESCRIBED = 10
"""Newest archives whose sizes are read as well: borg reads each one's whole metadata for that."""


def listing_steps(repository: Repository) -> list[Step]:
    """All archives by name and time, and the sizes of the newest where they can be read: one
    archive that is damaged must not hide the others."""
    return [
        list_step(repository),
        borg_step("info", repository, commands.info_archives(last=DESCRIBED), may_fail=True),
    ]


def _steps(_context: Context, job: Job) -> list[Step]:
    return listing_steps(repository_of(job))


def _settle(session: Session, job: Job, outcome: Outcome) -> None:
    if job.repository is not None and outcome.get("status") == Status.COMPLETED:
        take_archives(session, job.repository, outcome)


def _is_patient(job: Job) -> bool:
    """A listing that nobody asked for is no reason to end what somebody has mounted."""
    return job.created_by is None and job.priority is Priority.LOW


def list_anew(session: Session, kind: Kind, job: Job, outcome: Outcome) -> None:
    """Queue a refresh where ``job``, which did not complete, may have changed which archives there
    are; not where one waits already. The caller commits."""
    repository = job.repository
    if repository is None or repository.status != "ready" or not _may_differ(kind, job, outcome):
        return
    waiting = select(Job.id).where(
        Job.repository_id == repository.id, Job.kind == REFRESH.name, Job.status == Status.PENDING
    )
    if session.scalar(waiting.limit(1)) is None:
        session.add(
            REFRESH.new(
                repository=repository,
                repository_name=repository.name,
                machine=repository.machine,
                trigger=Trigger.CHAIN,
                priority_rank=Priority.LOW.rank,
            )
        )


def _may_differ(kind: Kind, job: Job, outcome: Outcome) -> bool:
    begun = outcome.get("steps")
    if begun is None:  # its worker was killed, or is silent
        return bool(kind.alters) and job.process_pid is not None
    altering = [name for name in begun if name in kind.alters]
    told = outcome.get("result") or {}
    if not altering or all(name in told for name in altering):
        return False
    failed_at_once = altering == begun[-1:] and outcome.get("error_code") in NOTHING_CHANGED
    return not failed_at_once


REFRESH = Kind(
    name="refresh",
    label="Refresh",
    after_failure=(
        "Nothing in the repository was changed; the list of archives may be out of date."
    ),
    # ``borg info`` opens borg's cache, which only one process may: a reader that needs the lane
    # alone.
    access="exclusive",
    is_patient=_is_patient,
    permission=Permission.RUN,
    steps=_steps,
    settle=_settle,
    routes=(Route("POST", "/repositories/<int:repo_id>/refresh", "start"),),
)
