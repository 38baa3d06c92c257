"""Kind ``download``: one file of an archive, or a selection as tar or zip, made ready to fetch.

The worker writes ``DATA_DIR/downloads/{job}.file``; :mod:`borgui.downloads` says who gets it and
when it goes.
"""

import posixpath
import re
import unicodedata
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from borgui.borg import commands, selection
from borgui.config import Config
from borgui.errors import Invalid
from borgui.jobs.job import Job, Priority, Status
from borgui.jobs.kind import Context, Kind, Outcome, Route, Step
from borgui.jobs.of_archive import OfArchive, archive_of, looked_up
from borgui.jobs.outcomes import told
from borgui.jobs.selecting import Selection, selected
from borgui.jobs.steps import borg_step, encode, repository_of, verify_step
from borgui.live import timestamp
from borgui.models import Archive, Repository, now, read_settings
from borgui.models.types import Instant, PathList
from borgui.security.permissions import Permission
from borgui.validation import paths_fields

Format = Literal["file", "tar", "tar.zst", "zip"]

LONGEST_NAME = 150
"""Letters of the name that is offered, without its ending."""

_NO_NAME = re.compile(r'[/\\:*?"<>|]')
"""What one system or another takes in no file name."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what cannot be seen, or turns the writing round."""


class DownloadJob(OfArchive, Job):
    """What was to be prepared, and what came of it. Sizes in bytes; paths exact."""

    __tablename__ = "download_jobs"
    __mapper_args__ = {"polymorphic_identity": "download"}

    id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    paths: Mapped[list[str]] = mapped_column(PathList, default=list)
    """As the archive stores them; empty is all of it."""
    format: Mapped[str] = mapped_column(String(10), default="")
    eta_seconds: Mapped[int | None]
    nfiles: Mapped[int | None] = mapped_column(BigInteger)
    """Regular files in it; further names of a hard link count too."""
    file_size: Mapped[int | None] = mapped_column(BigInteger)
    expires_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    """When its file is removed; None until it is completed."""

    @property
    def is_expired(self) -> bool:
        """Whether its file is gone, or about to be."""
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def offered_name(self) -> str:
        """What the file is to be called: a name that any system takes, empty of surprises."""
        ending = "" if self.format == "file" else f".{self.format}"
        if len(self.paths) == 1:
            name = posixpath.basename(self.paths[0])
        else:
            name = posixpath.basename(_common(self.paths)) or self.archive
        return f"{safe_name(name)}{ending}"


def safe_name(name: str) -> str:
    """``name`` without what could mislead a person, a header or a file system."""
    text = "".join(
        "_" if unicodedata.category(letter) in _UNSEEN else letter
        for letter in _NO_NAME.sub("_", name)
    )
    return text.strip(" ").rstrip(".")[:LONGEST_NAME] or "download"


def _common(paths: list[str]) -> str:
    return selection.common_folder([selection.Selected(path) for path in paths], 0)


class DownloadInput(Selection):
    """What a download takes. A ``file`` is exactly one path."""

    format: Format


def _check(_config: Config, _repository: Repository | None, options: dict[str, Any]) -> None:
    if options["format"] == "file" and len(selected(options)) != 1:
        raise Invalid({"paths": "As a file, exactly one path can be downloaded."})


# -- its way -----------------------------------------------------------------------------------


def _begin(job: DownloadJob) -> None:
    """Fill the columns from the options, so that the job can be read while it waits."""
    _take_over(job, looked_up(job))


def _take_over(job: DownloadJob, archive: Archive | None) -> None:
    job.name_archive(archive)
    job.paths = [each.path for each in selected(job.options)]
    job.format = job.options["format"]


def _steps(context: Context, job: DownloadJob) -> list[Step]:
    archive = archive_of(context.session, job)
    repository = repository_of(job)
    _take_over(job, archive)
    chosen = selected(job.options)
    paths = selection.arguments(chosen)
    strip = len([part for part in selection.common_folder(chosen, 0).split("/") if part])
    argv = commands.export_tar(archive.name, paths, strip_components=strip)
    parameters = {
        "format": job.format,
        "paths_b64": [encode(each.path) for each in chosen],
        "shown": [each.shown for each in chosen],
        "strip_components": strip,
        "listing": [encode(word) for word in commands.list_entries(archive.name, paths)],
    }
    return [
        verify_step(repository, [archive]),
        borg_step("download", repository, argv, parameters=parameters),
    ]


def _settle(session: Session, job: DownloadJob, outcome: Outcome) -> None:
    result = told(outcome, "download")
    job.eta_seconds = None
    if outcome.get("status") == Status.COMPLETED:
        job.nfiles, job.file_size = result.get("nfiles"), result.get("file_size")
        job.expires_at = now() + timedelta(hours=read_settings(session).download_hours)


# -- how it is shown ---------------------------------------------------------------------------


def _fields(job: DownloadJob) -> dict[str, Any]:
    return {
        "archive_id": job.archive_id,
        "archive": job.archive,
        **paths_fields("paths", job.paths),
        "format": job.format,
        "file_name": job.offered_name,
        "file_size": job.file_size,
        "nfiles": job.nfiles,
        "eta_seconds": job.eta_seconds,
        "expires_at": None if job.expires_at is None else timestamp(job.expires_at),
    }


DOWNLOAD = Kind(
    name="download",
    label="Download",
    row=DownloadJob,
    access="shared",
    permission=Permission.BROWSE,
    priority=Priority.HIGH,
    steps=_steps,
    check=_check,
    begin=_begin,
    settle=_settle,
    fields=_fields,
    naming=("paths", "paths_b64", "file_name"),
    progress=("eta_seconds",),
    body=DownloadInput,
    routes=(Route("POST", "/archives/<int:archive_id>/downloads", "start"),),
)
