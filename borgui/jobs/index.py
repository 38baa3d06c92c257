"""Kind ``index``: what one archive holds is read into the index on disk, for browsing it."""

from typing import Any

from sqlalchemy import select

from borgui.borg import commands
from borgui.jobs.job import Job
from borgui.jobs.kind import Context, Kind, Step
from borgui.jobs.of_archive import archive_of
from borgui.jobs.steps import borg_step, repository_of
from borgui.models import Archive
from borgui.security.permissions import Permission

GAVE_WAY = "gave_way"
"""In the options of a job made unasked that was ended for another one: it is made again."""


def _steps(context: Context, job: Job) -> list[Step]:
    repository, archive = repository_of(job), archive_of(context.session, job)
    known = context.session.scalars(
        select(Archive.borg_id).where(Archive.repository_id == repository.id)
    )
    parameters = {
        "repository_id": repository.id,
        "borg_id": archive.borg_id,
        "nfiles": archive.nfiles,
        "known": list(known),
    }
    argv = commands.list_archive(archive.name)
    return [borg_step("index", repository, argv, parameters=parameters)]


def _fields(job: Job) -> dict[str, Any]:
    return {
        "archive_id": job.options.get("archive_id"),
        "archive": job.options.get("archive"),
        "gave_way": bool(job.options.get(GAVE_WAY)),
    }


INDEX = Kind(
    name="index",
    label="Index",
    after_failure="The archive was not changed. It can be listed again.",
    access="shared",
    permission=Permission.RUN,
    steps=_steps,
    fields=_fields,
)
