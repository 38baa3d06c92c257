"""Kind ``delete``: one archive or several are deleted; the space comes back with a compact."""

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui.borg import commands
from borgui.config import Config
from borgui.errors import Invalid
from borgui.jobs.job import Job, Status
from borgui.jobs.kind import Context, Kind, Outcome, Refused, Route, Step
from borgui.jobs.repository_state import take_archives
from borgui.jobs.steps import borg_step, list_step, repository_of, verify_step
from borgui.models import Archive, Repository
from borgui.security.permissions import Permission
from borgui.validation import Id, Input

MOST_ARCHIVES = 1000


class DeleteInput(Input):
    """``archive_ids``: several at once, where the address names none."""

    archive_ids: Annotated[list[Id], Field(max_length=MOST_ARCHIVES)] = []


def _wanted(options: dict[str, Any]) -> list[int]:
    one = options.get("archive_id")
    return [one] if one is not None else list(options.get("archive_ids") or ())


def _check(_config: Config, _repository: Repository | None, options: dict[str, Any]) -> None:
    if "archive_id" in options and options.get("archive_ids"):
        raise Invalid({"archive_ids": "The address names the archive already."})
    if not _wanted(options):
        raise Invalid({"archive_ids": "Name at least one archive."})


def _steps(context: Context, job: Job) -> list[Step]:
    repository = repository_of(job)
    # an archive of another repository is none of this one's
    wanted = set(_wanted(job.options))
    archives = context.session.scalars(
        select(Archive).where(Archive.repository_id == repository.id, Archive.id.in_(wanted))
    ).all()
    if len(archives) < len(wanted):
        message = "An archive is no longer there. Nothing was deleted."
        raise Refused("archive_gone", message)
    names = [archive.name for archive in archives]
    return [
        verify_step(repository, archives),
        borg_step("delete", repository, commands.delete_archives(names)),
        list_step(repository),
    ]


def _settle(session: Session, job: Job, outcome: Outcome) -> None:
    if job.repository is not None and outcome.get("status") == Status.COMPLETED:
        take_archives(session, job.repository, outcome)


DELETE_ARCHIVES = Kind(
    name="delete",
    label="Delete",
    after_failure="Archives that borg had not come to are untouched.",
    access="exclusive",
    permission=Permission.MANAGE,
    steps=_steps,
    check=_check,
    settle=_settle,
    alters=("delete",),
    body=DeleteInput,
    routes=(
        Route("DELETE", "/archives/<int:archive_id>", "start"),
        Route("GET", "/repositories/delete-jobs/<int:job_id>", "show"),
    ),
)
