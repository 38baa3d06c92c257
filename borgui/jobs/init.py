"""Kind ``init``: ``borg init`` of a new repository."""

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from borgui.borg import commands
from borgui.borg.causes import NOTHING_CHANGED, REPOSITORY_EXISTS
from borgui.jobs.job import Job
from borgui.jobs.kind import Context, Kind, Outcome, Refused, Step
from borgui.jobs.outcomes import listed
from borgui.jobs.repository_state import mark_pending, settle_opening
from borgui.jobs.steps import borg_step, list_step
from borgui.security.permissions import Permission


def _steps(context: Context, job: Job) -> list[Step]:
    """Where an earlier try may have made the repository, one that exists goes on to the list, for
    which borg is given no answers: the passphrase proves that it is ours, and where there is none
    borg's own memory that this machine made it."""
    repository = job.repository
    if repository is None or repository.encryption is None:
        raise Refused("repository_forgotten", "Its repository is no longer here.")
    may_exist = _may_be_made(context.session, job)
    return [
        borg_step(
            "init",
            repository,
            commands.init(repository.encryption),
            parameters={"may_exist": may_exist},
        ),
        list_step(repository, unanswered=may_exist),
    ]


def _may_be_made(session: Session, job: Job) -> bool:
    """Whether an earlier init of the same repository began and may have done its work."""
    earlier = select(Job).where(
        Job.repository_id == job.repository_id, Job.kind == INIT.name, Job.id < job.id
    )
    return any(
        each.process_pid is not None
        and (each.error_code not in NOTHING_CHANGED or _has_listed(each))
        for each in session.scalars(earlier.options(undefer(Job.command)))
    )


def _has_listed(job: Job) -> bool:
    """Whether the second of its commands, one a line, was begun."""
    return "\n" in (job.command or "")


def _settle(session: Session, job: Job, outcome: Outcome) -> None:
    found = listed(outcome)
    if found is not None and found.archives:  # what we made is empty: this is somebody's
        raise Refused(REPOSITORY_EXISTS.code, REPOSITORY_EXISTS.sentence)
    settle_opening(session, job, outcome)


INIT = Kind(
    name="init",
    label="Init",
    after_failure="Nothing can be backed up here until this is solved.",
    access="exclusive",
    permission=Permission.MANAGE,
    steps=_steps,
    begin=mark_pending,
    settle=_settle,
    needs_ready=False,
    opens=True,
)
