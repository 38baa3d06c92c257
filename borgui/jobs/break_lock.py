"""Kind ``break_lock``: removes a lock whose owner is known to be gone. In the lane like any job."""

from borgui.borg import commands
from borgui.jobs.job import Job
from borgui.jobs.kind import Context, Kind, Route, Step
from borgui.jobs.steps import borg_step, repository_of
from borgui.security.permissions import Permission


def _steps(_context: Context, job: Job) -> list[Step]:
    return [borg_step("break_lock", repository_of(job), commands.break_lock())]


BREAK_LOCK = Kind(
    name="break_lock",
    label="Break lock",
    after_failure="Nothing in the repository was changed.",
    access="exclusive",
    permission=Permission.MANAGE,
    steps=_steps,
    needs_ready=False,
    needs_idle=True,
    routes=(Route("POST", "/repositories/<int:repo_id>/break-lock", "start"),),
)
