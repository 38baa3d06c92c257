"""Kind ``restore``: files of an archive are put back, all or a selection, in any folder.

A page starts one with ``requests.start(session, queue, config, RESTORE, archive.repository,
checked(RestoreInput, values).model_dump() | {"archive_id": archive.id}, user_id=…)``.
"""

import os
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from sqlalchemy import BigInteger, ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from borgui.borg import commands, selection
from borgui.borg.display import printable_path
from borgui.config import Config
from borgui.errors import Invalid
from borgui.jobs.job import Job, Priority, Status
from borgui.jobs.kind import Context, Kind, Outcome, Refused, Route, Step
from borgui.jobs.of_archive import OfArchive, archive_of, looked_up
from borgui.jobs.outcomes import told
from borgui.jobs.selecting import Selection, decoded, decoded_paths, selected
from borgui.jobs.steps import borg_step, encode, repository_of
from borgui.models import Archive, Repository, read_settings
from borgui.models.types import PathBytes, PathList
from borgui.roots import canonical, is_inside, named
from borgui.security.permissions import Permission
from borgui.validation import PathB64, PathText, path_fields, paths_fields, to_b64


class RestoreJob(OfArchive, Job):
    """What was to be restored, and what came of it. Sizes in bytes; paths exact."""

    __tablename__ = "restore_jobs"
    __mapper_args__ = {"polymorphic_identity": "restore"}

    id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    destination: Mapped[str] = mapped_column(PathBytes, default="")
    paths: Mapped[list[str]] = mapped_column(PathList, default=list)
    """As the archive stores them; empty is all of it."""
    strip_components: Mapped[int] = mapped_column(default=0)
    overwrite: Mapped[bool] = mapped_column(default=False)
    dry_run: Mapped[bool] = mapped_column(default=False)
    nfiles: Mapped[int | None] = mapped_column(BigInteger)
    """Regular files that are in their place (a dry run: that would be); a hard link counts once."""
    restored_size: Mapped[int | None] = mapped_column(BigInteger)
    eta_seconds: Mapped[int | None]
    left_alone_count: Mapped[int | None] = mapped_column(BigInteger)
    """What was there already and was not replaced."""
    left_alone: Mapped[list[str] | None] = mapped_column(PathList, deferred=True)
    """The first 500 of them, by full path."""
    matched: Mapped[list[str] | None] = mapped_column(PathList, deferred=True)
    """What was found for selected names that hold bytes borg cannot show; below the destination."""
    unmatched: Mapped[list[str] | None] = mapped_column(PathList, deferred=True)
    """Selected paths that the archive does not have."""
    partial_file: Mapped[str | None] = mapped_column(PathBytes)
    """Being written over when the job ended: it may be incomplete."""


PROGRESS = ("nfiles", "restored_size", "eta_seconds")


# -- what a start takes ------------------------------------------------------------------------


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("Give an absolute path; it begins with a slash.")
    if ".." in path.split("/"):
        raise ValueError("The path may not hold .. as a part.")
    return path


Destination = Annotated[PathText, AfterValidator(_absolute)]
DestinationB64 = Annotated[PathB64, AfterValidator(_absolute), AfterValidator(to_b64)]


class RestoreInput(Selection):
    """What a restore takes."""

    destination_b64: DestinationB64 | None = None
    destination: Destination | None = Field(None, validate_default=True)
    strip_components: int = Field(0, ge=0, le=1000)
    overwrite: bool = False
    dry_run: bool = False
    ignore_free_space: bool = False

    @field_validator("destination")
    @classmethod
    def _one_destination(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "destination_b64" not in info.data:
            return value  # it was given, and wrong
        if value is None and info.data["destination_b64"] is None:
            raise ValueError("This is required.")
        if value is not None and info.data["destination_b64"] is not None:
            raise ValueError("Give it once: as text or as base64.")
        return value


def _check(config: Config, repository: Repository | None, options: dict[str, Any]) -> None:
    """The machine looks again, with links resolved; here a person is told at once."""
    destination = os.path.normpath(_destination(options)).replace("//", "/")
    closed = [os.fspath(config.data_dir), os.path.realpath(config.data_dir)]
    if repository is not None and repository.path.startswith("/"):
        closed.append(os.path.normpath(repository.path))
    for folder in closed:
        if destination == folder or destination.startswith(folder.rstrip("/") + "/"):
            raise Invalid(
                {
                    "destination": "Nothing is restored into borgui's own data folder or into "
                    "the repository itself."
                }
            )
    session = repository and object_session(repository)
    if session and (fault := _outside(read_settings(session).restore_roots, options)):
        raise Invalid({"destination": fault})


def _outside(roots: Sequence[str], options: dict[str, Any]) -> str | None:
    """What of it would come to lie outside of ``roots``, as a sentence; None when nothing would.

    To the original place, which is ``/``, may be restored what all lies in a root.
    """
    destination = canonical(_destination(options))
    strip = options.get("strip_components") or 0
    for place in selection.places(destination, selected(options), strip):
        if not is_inside(place, roots):
            return f"{printable_path(place)} lies outside of {named(roots)}."
    return None


def _destination(options: dict[str, Any]) -> str:
    text = options.get("destination")
    return str(text) if text else decoded(options["destination_b64"])


# -- its way -----------------------------------------------------------------------------------


def _begin(job: RestoreJob) -> None:
    """Fill the columns from the options, so that the job can be read while it waits."""
    _take_over(job, looked_up(job))


def _take_over(job: RestoreJob, archive: Archive | None) -> None:
    options = job.options
    job.name_archive(archive)
    job.destination = _destination(options)
    job.paths = [each.path for each in selected(options)]
    job.strip_components = options.get("strip_components") or 0
    job.overwrite = bool(options.get("overwrite"))
    job.dry_run = bool(options.get("dry_run"))


def _steps(context: Context, job: RestoreJob) -> list[Step]:
    archive = archive_of(context.session, job)
    repository = repository_of(job)
    if fault := _outside(context.settings.restore_roots, job.options):
        raise Refused("destination_outside_roots", f"{fault} Nothing was restored.")
    _take_over(job, archive)
    chosen = selected(job.options)
    paths = selection.arguments(chosen)
    parameters = {
        "destination_b64": encode(job.destination),
        "paths_b64": [encode(each.path) for each in chosen],
        "shown": [each.shown for each in chosen],
        "strip_components": job.strip_components,
        "overwrite": job.overwrite,
        "protected_b64": [encode(path) for path in _repositories(context.session, job.machine)],
        "sources_b64": [encode(path) for path in repository.source_directories],
        "ignore_free_space": bool(job.options.get("ignore_free_space")),
        "archive_id": archive.borg_id,
        "roots_b64": [encode(path) for path in context.settings.restore_roots],
        "expected_size": None if chosen or job.strip_components else archive.original_size,
    }
    if job.dry_run:
        argv = commands.list_entries(archive.name, paths)
        return [borg_step("preview", repository, argv, parameters=parameters)]
    argv = commands.extract(archive.name, paths, strip_components=job.strip_components)
    return [borg_step("extract", repository, argv, parameters=parameters)]


def _repositories(session: Session, machine: str) -> list[str]:
    """Where the machine's repositories lie: nothing is restored into any of them."""
    paths = session.scalars(select(Repository.path).where(Repository.machine == machine))
    return [path for path in paths if path.startswith("/")]


def _settle(_session: Session, job: RestoreJob, outcome: Outcome) -> None:
    result = told(outcome, "preview" if job.dry_run else "extract")
    if outcome.get("status") == Status.COMPLETED or not job.overwrite:
        # Until it is in its place, what borg had extracted counts for nothing.
        job.nfiles = result.get("nfiles", 0 if job.started_at else None)
        job.restored_size = result.get("restored_size", 0 if job.started_at else None)
    else:
        job.nfiles = result.get("nfiles", job.nfiles)
        job.restored_size = result.get("restored_size", job.restored_size)
    job.eta_seconds = None
    job.left_alone_count = result.get("left_count")
    job.left_alone = decoded_paths(result, "left_b64")
    job.matched = decoded_paths(result, "matched_b64")
    job.unmatched = decoded_paths(result, "unmatched_b64")
    partial = result.get("partial_file_b64")
    if partial and outcome.get("status") != Status.COMPLETED:
        job.partial_file = decoded(partial)


# -- how it is shown ---------------------------------------------------------------------------


def _fields(job: RestoreJob) -> dict[str, Any]:
    partial = job.partial_file
    return {
        "archive_id": job.archive_id,
        "archive": job.archive,
        **path_fields("destination", job.destination),
        **paths_fields("paths", job.paths),
        "strip_components": job.strip_components,
        "overwrite": job.overwrite,
        "dry_run": job.dry_run,
        **{name: getattr(job, name) for name in PROGRESS},
        "left_alone_count": job.left_alone_count,
        "partial_file": None if partial is None else printable_path(partial),
        "partial_file_b64": None if partial is None else to_b64(partial),
    }


def _details(job: RestoreJob) -> dict[str, Any]:
    found: dict[str, Any] = {"ignore_free_space": bool(job.options.get("ignore_free_space"))}
    for name in ("left_alone", "matched", "unmatched"):
        found |= paths_fields(name, getattr(job, name) or [])
    return found


NAMING = tuple(
    f"{name}{end}"
    for name in ("destination", "paths", "partial_file", "left_alone", "matched", "unmatched")
    for end in ("", "_b64")
)

RESTORE = Kind(
    name="restore",
    label="Restore",
    after_failure="The archive was not changed.",
    row=RestoreJob,
    access="shared",
    permission=Permission.RUN,
    priority=Priority.HIGH,
    steps=_steps,
    begin=_begin,
    check=_check,
    settle=_settle,
    fields=_fields,
    details=_details,
    naming=NAMING,
    progress=PROGRESS,
    body=RestoreInput,
    routes=(
        Route("POST", "/archives/<int:archive_id>/restore", "start"),
        Route("GET", "/restore/jobs/<int:job_id>", "show"),
    ),
)
