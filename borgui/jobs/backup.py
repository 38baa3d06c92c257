"""Kind ``backup``: ``borg create`` of a repository's source folders."""

import hashlib
import os
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ForeignKey, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from borgui.borg import commands, names
from borgui.borg.display import printable_path
from borgui.borg.flags import parse_flags
from borgui.borg.output import Created
from borgui.jobs.archives import record_archive
from borgui.jobs.job import Job, Status
from borgui.jobs.kind import Context, Kind, Outcome, Refused, Route, Step
from borgui.jobs.outcomes import created
from borgui.jobs.repository_state import note_place, require_same
from borgui.jobs.steps import borg_step, encode, repository_of
from borgui.models import Archive, Repository, Settings, now
from borgui.roots import is_inside, named
from borgui.security.permissions import Permission


class BackupJob(Job):
    """A backup's own figures: while it runs from the live hash, at its end those borg reports."""

    __tablename__ = "backup_jobs"
    __mapper_args__ = {"polymorphic_identity": "backup"}

    id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    archive_name: Mapped[str | None] = mapped_column(Text)
    """None where it is not known before borg has ended: with placeholders that borg fills in."""
    nfiles: Mapped[int | None] = mapped_column(BigInteger)
    original_size: Mapped[int | None] = mapped_column(BigInteger)
    compressed_size: Mapped[int | None] = mapped_column(BigInteger)
    deduplicated_size: Mapped[int | None] = mapped_column(BigInteger)
    backup_speed: Mapped[float | None]
    """MB/s (10^6 bytes) of original size."""
    eta_seconds: Mapped[int | None]
    sources_digest: Mapped[str | None] = mapped_column(String(64))
    """Of the folders and excludes it ran with: equal ones make each other's totals."""


PROGRESS = (
    "nfiles",
    "original_size",
    "compressed_size",
    "deduplicated_size",
    "backup_speed",
    "eta_seconds",
)


def _steps(context: Context, job: BackupJob) -> list[Step]:
    repository = repository_of(job)
    if not repository.source_directories:
        raise Refused("no_sources", "The repository has no source folders to back up.")
    _refuse_outside(context.settings.source_roots, repository.source_directories)
    moment = now()
    zone = ZoneInfo(context.settings.timezone)
    name = names.expand_template(
        repository.archive_name_template, moment, zone, context.hostnames.get(job.machine)
    )
    job.archive_name = names.literal_name(name)
    job.sources_digest = sources_digest(repository)
    options = commands.CreateOptions(
        name=name,
        sources=tuple(repository.source_directories),
        compression=repository.compression,
        excludes=tuple(repository.exclude_patterns),
        exclude_if_present=tuple(repository.exclude_if_present),
        exclude_caches=repository.exclude_caches,
        one_file_system=repository.one_file_system,
        extra=tuple(parse_flags(repository.extra_flags)),
    )
    parameters = {
        "sources_b64": [encode(path) for path in repository.source_directories],
        "exclude_if_present": repository.exclude_if_present,
        "exclude_caches": repository.exclude_caches,
        "one_file_system": repository.one_file_system,
        "extra_flags": bool(repository.extra_flags.strip()),
        "expected": expected(context.session, repository, job.sources_digest),
        "include_secret_key": repository.include_secret_key,
        "roots_b64": [encode(path) for path in context.settings.source_roots],
    }
    return [borg_step("create", repository, commands.create(options), parameters=parameters)]


def _refuse_outside(roots: Sequence[str], sources: Sequence[str]) -> None:
    """The roots may have been narrowed since. The machine looks again, with links followed."""
    for source in sources:
        if not is_inside(source, roots):
            message = f"The source folder {printable_path(source)} lies outside of {named(roots)}."
            raise Refused("source_outside_roots", f"{message} Nothing was backed up.")


def sources_digest(repository: Repository) -> str:
    """SHA-256 of all that decides which files a backup of ``repository`` holds."""
    parts = [
        *repository.source_directories,
        "",
        *repository.exclude_patterns,
        "",
        *repository.exclude_if_present,
        f"{repository.exclude_caches}{repository.one_file_system}",
        repository.extra_flags,
    ]
    return hashlib.sha256(b"\0".join(os.fsencode(part) for part in parts)).hexdigest()


def expected(session: Session, repository: Repository, digest: str) -> dict[str, int] | None:
    """The size and file count of the last good archive of the same sources, to measure progress
    by."""
    row = session.execute(
        select(Archive.original_size, Archive.nfiles)
        .join(BackupJob, BackupJob.id == Archive.job_id)
        .where(
            Archive.repository_id == repository.id,
            BackupJob.sources_digest == digest,
            BackupJob.status == Status.COMPLETED,
            Archive.nfiles > 0,
            Archive.original_size > 0,
        )
        .order_by(Archive.start.desc())
        .limit(1)
    ).first()
    return {"original_size": row[0] or 0, "nfiles": row[1] or 0} if row else None


def _settle(session: Session, job: BackupJob, outcome: Outcome) -> None:
    made = created(outcome)
    if made is None:
        return
    repository = job.repository
    if repository is not None:
        require_same(repository, made.repository)
        note_place(repository)
    _take_over(job, made)
    if repository is None:
        return
    record_archive(session, repository, made.archive, made.stats, job_id=job.id)
    if made.repository.cache:
        repository.apply_cache_stats(made.repository.cache)


def _take_over(job: BackupJob, made: Created) -> None:
    job.archive_name = made.archive.name
    job.nfiles = made.stats.nfiles
    job.original_size = made.stats.original_size
    job.compressed_size = made.stats.compressed_size
    job.deduplicated_size = made.stats.deduplicated_size
    job.eta_seconds = None
    duration = made.archive.duration
    job.backup_speed = made.stats.original_size / duration / 1e6 if duration else None


def _fields(job: BackupJob) -> dict[str, Any]:
    return {"archive_name": job.archive_name} | {name: getattr(job, name) for name in PROGRESS}


def _time_limit(settings: Settings) -> int:
    return settings.backup_time_limit_hours * 3600


def _limit(settings: Settings) -> int:
    return settings.backup_limit


BACKUP = Kind(
    name="backup",
    label="Backup",
    after_failure="Archives made earlier are not touched by a failed backup.",
    row=BackupJob,
    access="exclusive",
    permission=Permission.RUN,
    steps=_steps,
    settle=_settle,
    fields=_fields,
    progress=PROGRESS,
    time_limit=_time_limit,
    limit=_limit,
    alters=("create",),
    routes=(
        Route("POST", "/backup/run", "start"),
        Route("GET", "/backup/jobs/<int:job_id>", "show"),
        Route("GET", "/backup/logs/<int:job_id>", "log"),
    ),
)
