"""Kind ``delete_repository``: ``borg delete`` of all archives and the repository itself."""

from sqlalchemy.orm import Session

from borgui.borg import commands, environment
from borgui.jobs.job import Job, Status
from borgui.jobs.kind import Context, Kind, Outcome, Refused, Step
from borgui.jobs.steps import borg_step, repository_of, verify_step
from borgui.security.permissions import Permission


def _steps(_context: Context, job: Job) -> list[Step]:
    repository = repository_of(job)
    if repository.borg_id is None:
        raise Refused(
            "repository_unknown",
            "It has never been opened, so what lies at its path may be somebody else's."
            " Forget it instead; its data stays.",
        )
    return [
        verify_step(repository),
        borg_step(
            "delete_repository",
            repository,
            commands.delete_repository(),
            parameters={"repository": repository.borg_id},
            env=environment.CONFIRM_DELETE,
        ),
    ]


def _settle(session: Session, job: Job, outcome: Outcome) -> None:
    if job.repository is not None and outcome.get("status") == Status.COMPLETED:
        session.delete(job.repository)


DELETE_REPOSITORY = Kind(
    name="delete_repository",
    label="Delete repository",
    after_failure="Parts of the repository may be gone. Do not rely on what is left.",
    access="exclusive",
    permission=Permission.MANAGE,
    steps=_steps,
    settle=_settle,
    needs_ready=False,
)
