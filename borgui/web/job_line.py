"""A job as a row or card shows it, made from its live hash alone or from its row and the hash."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

from redis import RedisError

from borgui import live
from borgui.borg.display import counted, size_text
from borgui.extensions import live_redis
from borgui.jobs import KINDS
from borgui.jobs.job import ACTIVE, Job, Status
from borgui.jobs.view import seen_reason
from borgui.live import Live
from borgui.models import now
from borgui.security.access import can
from borgui.security.permissions import Permission
from borgui.web import filters

T = TypeVar("T")

LABELS = {kind.name: kind.label for kind in KINDS}
MEASURED = {kind.name for kind in KINDS if "original_size" in kind.progress}
"""Kinds whose figures are worth a place of their own."""

FIGURES = (
    "nfiles",
    "original_size",
    "compressed_size",
    "deduplicated_size",
    "restored_size",
    "backup_speed",
    "eta_seconds",
)


@dataclass(frozen=True, slots=True)
class State:
    """A state as people read it: an icon and a word; ``tone`` names its colour."""

    word: str
    icon: str
    tone: str


WAITING = State("waiting", "clock", "idle")
STARTING = State("starting", "clock", "live")
RUNNING = State("running", "loader-2", "live")
CANCELLING = State("cancelling", "loader-2", "idle")
DONE = State("done", "circle-check", "good")
WARNED = State("done with warnings", "alert-triangle", "warn")
FAILED = State("failed", "circle-x", "bad")
CANCELLED = State("cancelled", "circle-minus", "idle")


def state_of(status: str, *, warnings: int | None = 0, cancelling: bool = False) -> State:
    """The badge of a job."""
    if status == Status.PENDING:
        return CANCELLING if cancelling else WAITING
    if status == Status.RUNNING:
        return CANCELLING if cancelling else RUNNING
    if status == Status.COMPLETED:
        return WARNED if warnings else DONE
    return FAILED if status == Status.FAILED else CANCELLED


@dataclass(slots=True)
class JobLine:
    """What is known of a job, None where it is not. Sizes in bytes, speed in MB/s."""

    id: int
    kind: str
    label: str
    status: str
    repository_id: int | None = None
    repository_name: str = ""
    percent: float | None = None
    message: str | None = None
    current_file: str | None = None
    nfiles: int | None = None
    original_size: int | None = None
    compressed_size: int | None = None
    deduplicated_size: int | None = None
    restored_size: int | None = None
    backup_speed: float | None = None
    eta_seconds: int | None = None
    warning_count: int | None = None
    error_message: str | None = None
    wait_reason: str | None = None
    trigger: str = "manual"
    cancelling: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    at: datetime = field(default_factory=now)

    @property
    def state(self) -> State:
        """Its badge."""
        return state_of(self.status, warnings=self.warning_count, cancelling=self.cancelling)

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.status in ACTIVE

    @property
    def figures(self) -> bool:
        """Whether its page shows its figures: while it runs, and after it if there are any."""
        if self.kind not in MEASURED or self.status == Status.PENDING:
            return False
        return self.status == Status.RUNNING or self.original_size is not None

    @property
    def elapsed(self) -> str:
        """How long it has run, or ran; empty before it started."""
        if self.started_at is None:
            return ""
        return filters.span(((self.completed_at or self.at) - self.started_at).total_seconds())

    @property
    def did(self) -> str:
        """Its figures on one line: ``8,123 files · 1.23 GB · 12.00 MB new``."""
        parts = []
        if self.nfiles is not None:
            parts.append(counted(self.nfiles, "file"))
        if self.original_size is not None:
            parts.append(size_text(self.original_size))
        if self.restored_size is not None:
            parts.append(size_text(self.restored_size))
        if self.deduplicated_size is not None:
            parts.append(f"{size_text(self.deduplicated_size)} new")
        return " · ".join(parts)

    @property
    def says(self) -> str:
        """The one line of what it does now, or how it ended, without any file name."""
        if self.status == Status.PENDING:
            return filters.sentence(self.wait_reason or "waits for a worker")
        if self.status == Status.RUNNING:
            return self.did or self.message or "No live progress yet."
        if self.status == Status.FAILED:
            return self.error_message or "Failed; borg gave no reason."
        return self.did or self.error_message or self.message or ""


def from_hash(job_id: int, known: Live) -> JobLine:
    """A running job from Redis alone; ``known.label`` and the like were put there at admission."""
    return JobLine(
        id=job_id,
        kind=known.kind or "",
        label=known.label or LABELS.get(known.kind or "", "Job"),
        status=known.status or Status.RUNNING,
        repository_id=known.repository_id,
        repository_name=known.repository_name or "",
        percent=known.progress_percent,
        message=known.progress_message,
        current_file=known.current_file,
        warning_count=known.warning_count,
        cancelling=bool(known.cancelling),
        created_at=_time(known.created_at),
        started_at=_time(known.start_time),
        **_figures(known),
    )


def from_row(job: Job, known: Live | None = None) -> JobLine:
    """A job from its row; what the live hash knows better while it runs is taken from there."""
    line = JobLine(
        id=job.id,
        kind=job.kind,
        label=LABELS.get(job.kind, job.kind),
        status=job.status,
        repository_id=job.repository_id,
        repository_name=job.repository_name,
        percent=job.progress_percent,
        message=job.progress_message,
        current_file=job.current_file,
        warning_count=job.warning_count,
        error_message=seen_reason(job.error_message, browse=can(Permission.BROWSE)),
        wait_reason=job.wait_reason,
        trigger=job.trigger,
        cancelling=job.is_active and job.cancel_requested_at is not None,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        **_figures(job),
    )
    return merged(line, known) if known and job.is_active else line


def merged(line: JobLine, known: Live) -> JobLine:
    """``line`` with what the live hash of the same, active job knows."""
    if known.status not in ACTIVE:
        known = _without_end(known)
    fresh = from_hash(line.id, known)
    for name in ("percent", "message", "current_file", "warning_count", "started_at", *FIGURES):
        value = getattr(fresh, name)
        if value is not None:
            setattr(line, name, value)
    return line


def lines(jobs: Iterable[Job]) -> list[JobLine]:
    """Rows as lines, the live part of the running ones read in one round trip.

    Without Redis the rows alone are shown: a notice says that it is away.
    """
    rows = list(jobs)
    running = [job.id for job in rows if job.status == Status.RUNNING]
    known = read_live(lambda: live.read_many(live_redis(), running)) if running else {}
    return [from_row(job, (known or {}).get(job.id)) for job in rows]


def read_live(read: Callable[[], T]) -> T | None:
    """What ``read`` answers; None when Redis does not."""
    try:
        return read()
    except RedisError:
        return None


def _figures(source: object) -> dict[str, Any]:
    return {name: getattr(source, name, None) for name in FIGURES}


def _without_end(known: Live) -> Live:
    values: Mapping[str, Any] = {each.name: getattr(known, each.name) for each in fields(known)}
    return Live(**{**values, "status": Status.RUNNING, "outcome": None})


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
