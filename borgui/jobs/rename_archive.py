"""Kind ``rename``: an archive gets another name, another comment, or both.

Borg gives the archive a new id with either, so its row is found again by its name, and its index is
carried over: what it holds stays the same. Each time, since the comment may fail when the archive
has its new name.
"""

from typing import Annotated

from pydantic import AfterValidator, Field
from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from borgui.borg import commands, names
from borgui.config import Config
from borgui.errors import Invalid
from borgui.jobs.job import Job
from borgui.jobs.kind import Context, Kind, Outcome, Route, Step
from borgui.jobs.of_archive import archive_of
from borgui.jobs.outcomes import listed
from borgui.jobs.repository_state import take_archives
from borgui.jobs.steps import borg_step, repository_of, verify_step
from borgui.models import Archive, Repository
from borgui.security.permissions import Permission
from borgui.validation import Input, Text


def _archive_name(text: str) -> str:
    try:
        return names.validate_name(text)
    except names.TemplateError as error:
        raise ValueError(str(error)) from error


class RenameInput(Input):
    """At least one of both. An empty comment removes it."""

    name: Annotated[Text, Field(min_length=1), AfterValidator(_archive_name)] | None = None
    comment: Annotated[Text, Field(max_length=10_000)] | None = None


def _check(_config: Config, repository: Repository | None, options: dict[str, object]) -> None:
    if options.get("name") is None and options.get("comment") is None:
        raise Invalid({"name": "Give a name or a comment."})
    session = repository and object_session(repository)
    if not session or not repository:
        return
    taken = select(Archive.id).where(
        Archive.repository_id == repository.id,
        Archive.name == options.get("name"),
        Archive.id != options.get("archive_id"),
    )
    if session.scalar(taken.limit(1)) is not None:
        raise Invalid({"name": "Another archive of this repository has this name."})


def _steps(context: Context, job: Job) -> list[Step]:
    repository, archive = repository_of(job), archive_of(context.session, job)
    name, comment = job.options.get("name"), job.options.get("comment")
    kept = {
        "repository_id": repository.id,
        "borg_id": archive.borg_id,
        "name": name or archive.name,
        "start": archive.start.isoformat(),
    }
    listing = borg_step("list_renamed", repository, commands.list_archives(), parameters=kept)
    steps = [verify_step(repository, [archive])]
    if name is not None and name != archive.name:
        command = commands.rename_archive(archive.name, name)
        steps += [borg_step("rename", repository, command), listing]
    if comment is not None:
        command = commands.comment_archive(name or archive.name, comment)
        steps += [borg_step("comment", repository, command), listing]
    return steps


def _settle(session: Session, job: Job, outcome: Outcome) -> None:
    found = listed(outcome)
    if job.repository is None or found is None:
        return
    row = session.scalar(
        select(Archive).where(
            Archive.id == job.options["archive_id"], Archive.repository_id == job.repository.id
        )
    )
    if row is not None:
        name = job.options.get("name") or row.name
        row.borg_id = next(
            (each.borg_id for each in found.archives if each.name == name), row.borg_id
        )
        session.flush()
    take_archives(session, job.repository, outcome)


RENAME_ARCHIVE = Kind(
    name="rename",
    label="Rename",
    after_failure="What the archive holds was not changed.",
    access="exclusive",
    permission=Permission.MANAGE,
    steps=_steps,
    check=_check,
    settle=_settle,
    alters=("rename", "comment"),
    body=RenameInput,
    routes=(
        Route("PUT", "/archives/<int:archive_id>", "start"),
        Route("GET", "/repositories/rename-jobs/<int:job_id>", "show"),
    ),
)
