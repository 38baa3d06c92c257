"""Kind ``import``: a repository that exists is opened, and its archives are listed."""

from sqlalchemy import select

from borgui.borg import commands
from borgui.jobs.job import Job
from borgui.jobs.kind import Context, Kind, Step
from borgui.jobs.refresh import listing_steps
from borgui.jobs.repository_state import here_already, mark_pending, settle_opening
from borgui.jobs.steps import borg_step, repository_of
from borgui.models import Repository
from borgui.security.permissions import Permission


def _steps(context: Context, job: Job) -> list[Step]:
    repository = repository_of(job)
    others = context.session.execute(
        select(Repository.borg_id, Repository.name).where(
            Repository.borg_id.is_not(None), Repository.id != repository.id
        )
    )
    known = {borg_id: here_already(name) for borg_id, name in others}
    steps = listing_steps(repository)
    if known or repository.key is not None:
        look = borg_step(
            "look",
            repository,
            commands.list_archives(),
            parameters={"known": known},
            stdin=repository.key,
        )
        steps.insert(0, look)
    return steps


IMPORT = Kind(
    name="import",
    label="Import",
    after_failure="Nothing in the repository was changed.",
    access="exclusive",
    permission=Permission.MANAGE,
    steps=_steps,
    begin=mark_pending,
    settle=settle_opening,
    needs_ready=False,
    opens=True,
)
