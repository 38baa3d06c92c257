"""The base row of every job and the moves it may make.

``pending → running → completed | failed | cancelled``. A move is one conditional UPDATE whose row
count is checked, so two finishers, a late cancel and a reconcile can meet without harm.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    CursorResult,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    case,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from borgui.models.base import Base, now
from borgui.models.repository import Repository
from borgui.models.types import Instant


class Status(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (Status.PENDING, Status.RUNNING)
ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class Priority(StrEnum):
    """The queues of a machine, in the order they are served."""

    HIGH = "high"
    DEFAULT = "default"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 is served first."""
        return list(Priority).index(self)


class Trigger(StrEnum):
    """What started a job."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    CHAIN = "chain"
    RETRY = "retry"


NOTE = "borgui.note"
"""The ``msgid`` of what stands among a job's warnings and is none: what borgui did besides."""

WITH_TABLES = ("backup", "diff", "download", "drill", "mount", "restore")
"""The kinds with columns of their own. Each has a class for its rows, which costs every process
memory (200 KiB) and its start time; rows of all other kinds are plain :class:`Job`."""


class Job(Base):
    """One job of any kind; a kind with columns of its own joins its table to this one."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_queue", "status", "admitted_at", "priority_rank", "id"),
        Index("ix_jobs_history", "repository_id", "kind", "id"),
        Index("ix_jobs_of_repository", "repository_id", "id"),
        Index("ix_jobs_kind", "kind", "id"),
        Index("ix_jobs_status", "status", "id"),
        {"sqlite_autoincrement": True},  # an id that was used never means another row
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    __mapper_args__ = {
        "polymorphic_on": case((kind.in_(WITH_TABLES), kind), else_="job"),
        "polymorphic_identity": "job",
    }

    status: Mapped[str] = mapped_column(String(10), default=Status.PENDING)
    repository_id: Mapped[int | None] = mapped_column(
        ForeignKey("repositories.id", ondelete="SET NULL")
    )
    repository_name: Mapped[str] = mapped_column(String(150), default="")
    """The name as it was, so that history stays readable when the repository is forgotten."""
    machine: Mapped[str] = mapped_column(String(64))
    trigger: Mapped[str] = mapped_column(String(10), default=Trigger.MANUAL)
    scheduled_job_id: Mapped[int | None] = mapped_column(Integer)
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    """The first job of the chain this one is a step of."""
    after_id: Mapped[int | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    """The step of the chain that must complete before this one."""
    retry_of: Mapped[int | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    tries: Mapped[int] = mapped_column(default=0)
    """How many automatic tries came before this one."""
    priority_rank: Mapped[int] = mapped_column(default=Priority.DEFAULT.rank)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    idempotency_key: Mapped[str | None] = mapped_column(String(200), unique=True)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """What this run was asked for, beyond what its repository says."""

    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    not_before: Mapped[datetime | None] = mapped_column(Instant)
    admitted_at: Mapped[datetime | None] = mapped_column(Instant)
    attempt: Mapped[int] = mapped_column(default=0)
    """Raised at each admission; a worker's word counts only for the present one."""
    lane: Mapped[str | None] = mapped_column(String(200))
    """The lane it was admitted to."""
    lane_held: Mapped[bool] = mapped_column(default=False, index=True)
    """Ended, but its machine is silent: the lane stays taken until it answers."""
    wait_reason: Mapped[str | None] = mapped_column(String(300))
    cancel_requested_at: Mapped[datetime | None] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    completed_at: Mapped[datetime | None] = mapped_column(Instant)

    progress_percent: Mapped[float | None]
    progress_message: Mapped[str | None] = mapped_column(Text)
    current_file: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    warning_count: Mapped[int] = mapped_column(default=0)
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    exit_code: Mapped[int | None]
    process_pid: Mapped[int | None]
    process_start_time: Mapped[datetime | None] = mapped_column(Instant)
    command: Mapped[str | None] = mapped_column(Text, deferred=True)
    log: Mapped[str | None] = mapped_column(Text, deferred=True)
    log_size: Mapped[int | None] = mapped_column(BigInteger)

    repository: Mapped[Repository | None] = relationship(lazy="select")

    def __init__(self, **values: Any) -> None:
        """``kind`` need not be told for a kind with a table of its own."""
        super().__init__(**{"kind": self.__mapper__.polymorphic_identity, **values})

    @property
    def priority(self) -> Priority:
        """The queue it waits in."""
        return list(Priority)[self.priority_rank]

    @property
    def is_active(self) -> bool:
        """Whether it still waits or runs."""
        return self.status in ACTIVE


def move(
    session: Session,
    job_id: int,
    *sources: Status,
    values: dict[str, Any],
    attempt: int | None = None,
) -> bool:
    """Set ``values`` on the job if it stands in one of ``sources`` (and in this ``attempt``).

    Returns whether it did; the caller commits. Objects already loaded are not refreshed.
    """
    statement = update(Job).where(Job.id == job_id, Job.status.in_(sources))
    if attempt is not None:
        statement = statement.where(Job.attempt == attempt)
    result = session.execute(
        statement.values(**values), execution_options={"synchronize_session": False}
    )
    return cast("CursorResult[Any]", result).rowcount == 1
