"""Kind ``init``: ``borg init`` of a new repository."""

from borgui.borg import commands
from borgui.jobs.job import Job
from borgui.jobs.kind import Context, Kind, Refused, Step
from borgui.jobs.repository_state import mark_pending, settle_opening
from borgui.jobs.steps import borg_step
from borgui.security.permissions import Permission


def _steps(_context: Context, job: Job) -> list[Step]:
    repository = job.repository
    if repository is None or repository.encryption is None:
        raise Refused("repository_forgotten", "Its repository is no longer here.")
    return [
        borg_step("init", repository, commands.init(repository.encryption)),
        borg_step("list", repository, commands.list_archives()),
    ]


INIT = Kind(
    name="init",
    label="Init",
    after_failure="Nothing can be backed up here until this is solved.",
    access="exclusive",
    permission=Permission.MANAGE,
    steps=_steps,
    begin=mark_pending,
    settle=settle_opening,
    needs_ready=False,
    opens=True,
)
