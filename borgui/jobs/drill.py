"""Kind ``drill``: files of an archive are restored to a scratch folder and compared, as a proof.

A row that completed is that proof: every file of the sample came back and was identical.
"""

from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from borgui.borg import commands
from borgui.config import Config
from borgui.errors import Conflict, Invalid
from borgui.jobs.archives import last_good
from borgui.jobs.job import Job, Status
from borgui.jobs.kind import Context, Kind, Outcome, Refused, Route, Step, one_at_a_time
from borgui.jobs.of_archive import OfArchive, archive_of, looked_up
from borgui.jobs.outcomes import told
from borgui.jobs.selecting import decoded_paths
from borgui.jobs.steps import borg_step, encode, repository_of
from borgui.models import Archive, Repository
from borgui.models.types import PathList
from borgui.security.permissions import Permission
from borgui.validation import Id, Input, paths_fields

SAMPLE = 200
"""Files of a drill that says nothing else."""

MOST = 1000

PROGRESS = ("nfiles", "restored_size")


class DrillJob(OfArchive, Job):
    """What was to be proved, and what came of it. Sizes in bytes; paths exact.

    Where the last good archive is meant, it is chosen when the job is admitted.
    """

    __tablename__ = "drill_jobs"
    __mapper_args__ = {"polymorphic_identity": "drill"}

    id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    sample: Mapped[int | None]
    """Files chosen by chance; None is every file of the archive."""
    nfiles: Mapped[int | None] = mapped_column(BigInteger)
    """Files that were restored and compared; each name of a hard link counts."""
    restored_size: Mapped[int | None] = mapped_column(BigInteger)
    compared_with_source: Mapped[int | None] = mapped_column(BigInteger)
    """Files that were the same as what had been backed up, byte for byte."""
    compared_with_checksums: Mapped[int | None] = mapped_column(BigInteger)
    """Files that had the checksum borg told of them."""
    differing_count: Mapped[int | None] = mapped_column(BigInteger)
    skipped_count: Mapped[int | None] = mapped_column(BigInteger)
    """Chosen files that were left out: they would not have fitted, or lie below links of the same
    archive, through which borg would have written."""
    differing: Mapped[list[str] | None] = mapped_column(PathList, deferred=True)
    """The first 500 that did not come back, or not as they were; as the archive stores them."""


# -- what a start takes ------------------------------------------------------------------------


class DrillInput(Input):
    """``archive_id``: the last good archive where none is given. ``all`` of it, or a ``sample``."""

    archive_id: Id | None = None
    all: bool = False
    sample: int | None = Field(None, json_schema_extra={"minimum": 1, "maximum": MOST})

    @field_validator("sample")
    @classmethod
    def _one_of_both(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and not 1 <= value <= MOST:
            raise ValueError(f"Choose from 1 to {MOST} files.")
        if value is not None and info.data.get("all"):
            raise ValueError("Choose a sample or all, not both.")
        return value


def _check(_config: Config, repository: Repository | None, options: dict[str, Any]) -> None:
    session = object_session(repository) if repository is not None else None
    if session is None or repository is None:
        return
    wanted = options.get("archive_id")
    if wanted is not None:
        archive = session.get(Archive, wanted)
        if archive is None or archive.repository_id != repository.id:
            raise Invalid({"archive_id": "This repository has no such archive."})
    elif last_good(session, repository.id) is None:
        raise Conflict("no_archive", "There is no archive yet that could be restored from.")


# -- its way -----------------------------------------------------------------------------------


def _begin(job: DrillJob) -> None:
    """Fill the columns from the options, so that the job can be read while it waits."""
    job.sample = None if job.options.get("all") else job.options.get("sample") or SAMPLE
    job.name_archive(looked_up(job))


def _steps(context: Context, job: DrillJob) -> list[Step]:
    repository = repository_of(job)
    if job.options.get("archive_id") is not None:
        archive: Archive | None = archive_of(context.session, job)
    else:
        archive = last_good(context.session, repository.id)
    if archive is None:
        raise Refused("no_archive", "There is no archive yet that could be restored from.")
    _begin(job)  # a job that follows on another has its options only
    job.name_archive(archive)
    parameters = {
        "archive": archive.name,
        "borg_id": archive.borg_id,
        "sample": job.sample,
        "sources_b64": [encode(path) for path in repository.source_directories],
    }
    return [
        borg_step("drill", repository, commands.list_archive(archive.name), parameters=parameters)
    ]


def _settle(_session: Session, job: DrillJob, outcome: Outcome) -> None:
    result = told(outcome, "drill")
    for name in (
        *PROGRESS,
        "compared_with_source",
        "compared_with_checksums",
        "differing_count",
        "skipped_count",
    ):
        setattr(job, name, result.get(name))
    if outcome.get("status") != Status.COMPLETED and not job.differing_count:
        job.differing_count = None  # not all were compared
    job.differing = decoded_paths(result, "differing_b64")


def _last_word(job: DrillJob) -> str | None:
    """What is proved, of a drill that completed."""
    if not job.nfiles or job.differing_count != 0:
        return None
    return f"Restored {proved(job.nfiles, job.skipped_count or 0)}."


def proved(nfiles: int, skipped: int) -> str:
    """What a drill has proved: ``200 files, all identical; 3 left out``."""
    said = "1 file, identical" if nfiles == 1 else f"{nfiles:,} files, all identical"
    return f"{said}; {skipped:,} left out" if skipped else said


# -- how it is shown ---------------------------------------------------------------------------


def _fields(job: DrillJob) -> dict[str, Any]:
    return {
        "archive_id": job.archive_id,
        "archive": job.archive or None,
        "sample": job.sample,
        "all": job.sample is None,
        **{name: getattr(job, name) for name in PROGRESS},
        "compared_with_source": job.compared_with_source,
        "compared_with_checksums": job.compared_with_checksums,
        "differing_count": job.differing_count,
        "skipped_count": job.skipped_count,
    }


def _details(job: DrillJob) -> dict[str, Any]:
    return paths_fields("differing", job.differing or [])


DRILL = Kind(
    name="drill",
    label="Restore drill",
    after_failure="Nothing was changed: not the archive, and no file outside borgui's own folder.",
    row=DrillJob,
    access="shared",
    limit=one_at_a_time,
    permission=Permission.RUN,
    steps=_steps,
    begin=_begin,
    check=_check,
    settle=_settle,
    last_word=_last_word,
    fields=_fields,
    details=_details,
    naming=("differing", "differing_b64"),
    progress=PROGRESS,
    body=DrillInput,
    routes=(
        Route("POST", "/repositories/<int:repo_id>/drill", "start"),
        Route("GET", "/repositories/<int:repo_id>/drill-jobs", "list"),
        Route("GET", "/repositories/drill-jobs/<int:job_id>", "show"),
    ),
)
