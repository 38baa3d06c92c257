"""What the dashboard says, in a bounded number of queries whatever the number of rows.

Four queries: repositories with their newest archive, the newest ended job of each repository and
kind, what is active, and the rows of failures. Each walks an index from its newest end, so ten
thousand finished jobs cost what twenty do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Select, and_, func, literal, select, union_all
from sqlalchemy.orm import Session, aliased, defer, with_polymorphic

from borgui.jobs import KINDS
from borgui.jobs.job import ACTIVE, Job, Status
from borgui.models import Archive, Repository

MOST_ACTIVE = 200
"""Active jobs shown at most; more wait than anyone can look at."""


@dataclass(slots=True)
class Summary:
    """One repository: what it holds, what it does, and what went wrong last."""

    id: int
    name: str
    path: str
    status: str
    error_message: str | None
    encryption: str | None
    has_sources: bool
    disk_size: int | None
    archive_count: int
    archive_name: str | None
    last_backup: datetime | None
    """When its newest archive was made: what could be restored now."""
    active: list[Job] = field(default_factory=list)
    failures: list[Job] = field(default_factory=list)
    """The newest ended job of each kind, where it failed and nothing newer of it succeeded."""

    @property
    def running(self) -> Job | None:
        """What runs there."""
        return next((job for job in self.active if job.status == Status.RUNNING), None)

    @property
    def next(self) -> Job | None:
        """What waits there, the first in line."""
        return next((job for job in self.active if job.status == Status.PENDING), None)


def summaries(session: Session) -> list[Summary]:
    """Every repository by name, with its newest archive, active jobs and open failures."""
    found = {
        row.id: Summary(
            id=row.id,
            name=row.name,
            path=row.path,
            status=row.status,
            error_message=row.error_message,
            encryption=row.encryption,
            has_sources=bool(row.source_directories),
            disk_size=row.unique_csize,
            archive_count=row.archive_count,
            archive_name=row.archive_name,
            last_backup=row.last_backup,
        )
        for row in session.execute(_repositories())
    }
    for job in active(session):
        if job.repository_id in found:
            found[job.repository_id].active.append(job)
    for job in failures(session):
        if job.repository_id in found:
            found[job.repository_id].failures.append(job)
    return list(found.values())


def active(session: Session) -> Sequence[Job]:
    """What runs, then what waits, in the order it will be served."""
    return session.scalars(
        lines()
        .where(Job.status.in_(ACTIVE))
        .order_by(Job.status.desc(), Job.priority_rank, Job.id)
        .limit(MOST_ACTIVE)
    ).all()


def failures(session: Session, repository_id: int | None = None) -> Sequence[Job]:
    """The failures that need a look: newest of their repository and kind, with none better since.

    A cancelled job neither causes nor clears one.
    """
    kinds = union_all(*(select(literal(kind.name).label("name")) for kind in KINDS)).subquery()
    newest = aliased(Job)
    newest_ended = (
        select(newest.id)
        .where(
            newest.repository_id == Repository.id,
            newest.kind == kinds.c.name,
            newest.status.in_((Status.COMPLETED, Status.FAILED)),
        )
        .order_by(newest.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    candidates = (
        select(newest_ended.label("id")).select_from(Repository).join(kinds, literal(value=True))
    )
    if repository_id is not None:
        candidates = candidates.where(Repository.id == repository_id)
    ids = candidates.subquery()
    return session.scalars(
        lines()
        .join(ids, ids.c.id == Job.id)
        .where(Job.status == Status.FAILED)
        .order_by(Job.id.desc())
    ).all()


def lines() -> Select[tuple[Job]]:
    """Jobs as lists show them: every kind's own columns, without what only its page shows."""
    every = with_polymorphic(Job, "*")
    return select(every).options(defer(every.warnings), defer(every.options))


def _repositories() -> Select[tuple[object, ...]]:
    last = aliased(Archive)
    newest = (
        select(last.id)
        .where(last.repository_id == Repository.id)
        .order_by(last.start.desc())
        .limit(1)
        .scalar_subquery()
    )
    counted = (
        select(func.count())
        .select_from(last)
        .where(last.repository_id == Repository.id)
        .scalar_subquery()
    )
    return (
        select(
            Repository.id,
            Repository.name,
            Repository.path,
            Repository.status,
            Repository.error_message,
            Repository.encryption,
            Repository.source_directories,
            Repository.unique_csize,
            counted.label("archive_count"),
            Archive.name.label("archive_name"),
            Archive.start.label("last_backup"),
        )
        .outerjoin(Archive, and_(Archive.id == newest))
        .order_by(func.lower(Repository.name))
    )
