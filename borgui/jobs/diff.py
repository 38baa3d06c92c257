"""Kind ``diff``: borg compares what two archives of a repository hold, content and all.

The worker writes ``DATA_DIR/diffs/{job}.db`` (:mod:`borgui.diff_file`); :mod:`borgui.diffs` says
who reads it and when it goes.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from borgui.borg import commands, selection
from borgui.config import Config
from borgui.errors import Invalid
from borgui.jobs.job import Job, Status
from borgui.jobs.kind import Context, Kind, Outcome, Refused, Route, Step, one_at_a_time
from borgui.jobs.of_archive import looked_up
from borgui.jobs.outcomes import told
from borgui.jobs.selecting import Selection, selected
from borgui.jobs.steps import borg_step, encode, repository_of, verify_step
from borgui.live import timestamp
from borgui.models import Archive, Repository, now
from borgui.models.types import Instant, PathList
from borgui.security.permissions import Permission
from borgui.validation import paths_fields

KEPT = timedelta(days=7)
"""How long its file stays."""


class DiffJob(Job):
    """Which archives were compared, and what came of it. Sizes in bytes; paths exact."""

    __tablename__ = "diff_jobs"
    __mapper_args__ = {"polymorphic_identity": "diff"}

    id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    archive_id: Mapped[int | None] = mapped_column(ForeignKey("archives.id", ondelete="SET NULL"))
    other_id: Mapped[int | None] = mapped_column(
        ForeignKey("archives.id", ondelete="SET NULL"), index=True
    )
    archive: Mapped[str] = mapped_column(Text, default="")
    """Its name as it was, so that history stays readable when the archive is deleted."""
    other: Mapped[str] = mapped_column(Text, default="")
    paths: Mapped[list[str]] = mapped_column(PathList, default=list)
    """As the archives store them; empty is all of both."""
    differences: Mapped[int | None] = mapped_column(BigInteger)
    """Entries that differ in more than their times."""
    times_only: Mapped[int | None] = mapped_column(BigInteger)
    """Entries that differ in their times alone; the file does not name them."""
    changes: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    """Entries by the way they differ, see :class:`borgui.borg.differences.Change`."""
    added_size: Mapped[int | None] = mapped_column(BigInteger)
    removed_size: Mapped[int | None] = mapped_column(BigInteger)
    expires_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    """When its file is removed; None until it is completed."""

    @property
    def is_expired(self) -> bool:
        """Whether its file is gone, or about to be."""
        return self.expires_at is not None and self.expires_at <= now()


Index("ix_diff_jobs_archives", DiffJob.archive_id, DiffJob.other_id)


class DiffInput(Selection):
    """What a diff takes: nothing, or the paths it is limited to."""


def _check(_config: Config, repository: Repository | None, options: dict[str, Any]) -> None:
    if options["other_id"] == options["archive_id"]:
        raise Invalid({"other_id": "Give another archive."})
    session = repository and object_session(repository)
    other = session.get(Archive, options["other_id"]) if session else None
    if other is None or repository is None or other.repository_id != repository.id:
        raise Invalid({"other_id": "It belongs to another repository."})


# -- its way -----------------------------------------------------------------------------------


def _begin(job: DiffJob) -> None:
    """Fill the columns from the options, so that the job can be read while it waits."""
    _take_over(job, looked_up(job), looked_up(job, "other_id"))


def _take_over(job: DiffJob, archive: Archive | None, other: Archive | None) -> None:
    if archive is not None:
        job.archive_id, job.archive = archive.id, archive.name
    if other is not None:
        job.other_id, job.other = other.id, other.name
    job.paths = [each.path for each in selected(job.options)]


def _steps(context: Context, job: DiffJob) -> list[Step]:
    repository = repository_of(job)
    archive = context.session.get(Archive, job.options["archive_id"])
    other = context.session.get(Archive, job.options["other_id"])
    if not archive or not other or {archive.repository_id, other.repository_id} != {repository.id}:
        raise Refused("archive_gone", "One of the two archives is no longer there.")
    _take_over(job, archive, other)
    paths = selection.arguments(selected(job.options))
    contents = commands.diff(archive.name, other.name, paths, content_only=True)
    parameters = {"contents": [encode(word) for word in contents], "paths": len(paths)}
    argv = commands.diff(archive.name, other.name, paths)
    return [
        verify_step(repository, [archive, other]),
        borg_step("diff", repository, argv, parameters=parameters),
    ]


def _settle(_session: Session, job: DiffJob, outcome: Outcome) -> None:
    result = told(outcome, "diff")
    if outcome.get("status") == Status.COMPLETED:
        job.differences, job.times_only = result.get("total"), result.get("times_only")
        job.changes = result.get("counts") or {}
        job.added_size, job.removed_size = result.get("added_size"), result.get("removed_size")
        job.expires_at = now() + KEPT


# -- how it is shown ---------------------------------------------------------------------------


def _fields(job: DiffJob) -> dict[str, Any]:
    return {
        "archive_id": job.archive_id,
        "archive": job.archive,
        "other_id": job.other_id,
        "other": job.other,
        **paths_fields("paths", job.paths),
        "differences": job.differences,
        "times_only": job.times_only,
        "changes": job.changes or None,
        "added_size": job.added_size,
        "removed_size": job.removed_size,
        "expires_at": None if job.expires_at is None else timestamp(job.expires_at),
    }


DIFF = Kind(
    name="diff",
    label="Content diff",
    after_failure="The archives were only read. They can be compared again.",
    row=DiffJob,
    access="shared",
    limit=one_at_a_time,
    permission=Permission.BROWSE,
    steps=_steps,
    check=_check,
    begin=_begin,
    settle=_settle,
    fields=_fields,
    naming=("paths", "paths_b64"),
    body=DiffInput,
    routes=(Route("POST", "/archives/<int:archive_id>/diff/<int:other_id>", "start"),),
)
