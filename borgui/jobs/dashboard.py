"""What the dashboard says, in a bounded number of queries whatever the number of rows.

Five queries: repositories with their newest good archive, the newest ended job of each repository
and kind, the rows of those that failed, the newest proof that each can be restored, and what is
active.
Each walks an index from its newest end, so ten thousand finished jobs cost what twenty do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, case, func, literal, select, union_all
from sqlalchemy.orm import Session, aliased, defer, with_polymorphic

from borgui.jobs import KINDS
from borgui.jobs.archives import newest_good
from borgui.jobs.drill import DRILL, DrillJob, proved
from borgui.jobs.history import Page
from borgui.jobs.job import ACTIVE, Job, Status
from borgui.models import Archive, Repository

MOST_ACTIVE = 200
"""Active jobs shown at most; more wait than anyone can look at."""
PER_PAGE = 25


@dataclass(frozen=True, slots=True)
class Proof:
    """A restore drill in which every file came back the same. Its size in bytes."""

    job_id: int
    at: datetime
    archive: str
    is_whole: bool
    nfiles: int
    size: int
    skipped: int
    """Chosen files that were left out."""

    @property
    def says(self) -> str:
        """What is proved: ``200 files, all identical; 3 left out``."""
        return proved(self.nfiles, self.skipped)


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
    """When its newest good archive was made: what could be restored now."""
    active: list[Job] = field(default_factory=list)
    failures: list[Job] = field(default_factory=list)
    """The newest ended job of each kind, where it failed and nothing newer of it succeeded."""
    proof: Proof | None = None

    @property
    def running(self) -> Job | None:
        """What runs there."""
        return next((job for job in self.active if job.status == Status.RUNNING), None)

    @property
    def next(self) -> Job | None:
        """What waits there, the first in line."""
        return next((job for job in self.active if job.status == Status.PENDING), None)


def summaries(session: Session, active_jobs: Sequence[Job]) -> list[Summary]:
    """Every repository by name: newest good archive, active jobs, open failures and proof."""
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
    for job in active_jobs:
        if job.repository_id in found:
            found[job.repository_id].active.append(job)
    for job in failures(session):
        if job.repository_id in found:
            found[job.repository_id].failures.append(job)
    for repository_id, proof in proofs(session).items():
        if repository_id in found:
            found[repository_id].proof = proof
    return list(found.values())


def active(
    session: Session,
    *,
    repository_id: int | None = None,
    kind: str | None = None,
    status: str | None = None,
) -> Sequence[Job]:
    """What runs, then what waits, in the order it will be served."""
    statuses = [each for each in ACTIVE if status in (None, each)]
    if not statuses:
        return []
    return session.scalars(
        _narrowed(lines(), repository_id, kind)
        .where(Job.status.in_(statuses))
        .order_by(Job.status.desc(), Job.priority_rank, Job.id)
        .limit(MOST_ACTIVE)
    ).all()


def by_ids(session: Session, ids: Sequence[int]) -> Sequence[Job]:
    """These jobs, in this order; those that are gone are left out."""
    found = {job.id: job for job in session.scalars(lines().where(Job.id.in_(ids)))}
    return [found[each] for each in ids if each in found]


def ended(
    session: Session,
    *,
    repository_id: int | None = None,
    kind: str | None = None,
    status: str | None = None,
    page: int = 1,
    per_page: int = PER_PAGE,
) -> Page[Job]:
    """What has ended, newest first, a page of it."""
    if status in ACTIVE:
        return Page([], 0, page, per_page)
    total = _count_ended(session, repository_id, kind, status)
    first = (page - 1) * per_page
    if first >= total:
        return Page([], total, page, per_page)
    # Ids first: SQLite then sorts numbers, not rows. "Not active" lets it walk them from the
    # newest, where a list of states would make it sort all of them.
    stands = Job.status.not_in(ACTIVE) if status is None else Job.status == status
    ids = _narrowed(select(Job.id), repository_id, kind).where(stands).order_by(Job.id.desc())
    rows = by_ids(session, session.scalars(ids.limit(per_page).offset(first)).all())
    return Page(list(rows), total, page, per_page)


def names(session: Session) -> Sequence[tuple[int, str]]:
    """Id and name of every repository, by name."""
    rows = session.execute(
        select(Repository.id, Repository.name).order_by(func.lower(Repository.name))
    )
    return [(row.id, row.name) for row in rows]


def failures(session: Session, repository_id: int | None = None) -> Sequence[Job]:
    """The failures that need a look: newest of their repository and kind, with none better since.

    A cancelled job neither causes nor clears one.
    """
    found = _failed()
    if repository_id is not None:
        found = found.where(Repository.id == repository_id)
    ids = [each for each in session.scalars(found) if each is not None]
    return by_ids(session, sorted(ids, reverse=True)) if ids else []


def proofs(session: Session, repository_id: int | None = None) -> dict[int, Proof]:
    """The newest drill of each repository that completed; none for what was never proved."""
    found = _proved()
    if repository_id is not None:
        found = found.where(Repository.id == repository_id)
    return {
        row.repository_id: Proof(
            job_id=row.id,
            at=row.completed_at,
            archive=row.archive,
            is_whole=row.sample is None,
            nfiles=row.nfiles or 0,
            size=row.restored_size or 0,
            skipped=row.skipped_count or 0,
        )
        for row in session.execute(found)
        if row.completed_at is not None
    }


@cache
def lines() -> Select[Job]:
    """Jobs as lists show them: every kind's own columns, without what only its page shows."""
    every = with_polymorphic(Job, "*")
    return select(every).options(defer(every.warnings), defer(every.options))


# Statements are made once: for pages this short, making them takes longer than running them.


@cache
def _failed() -> Select[int | None]:
    """For each repository and kind, the id of the newest ended job if it failed, else None."""
    kinds = union_all(*(select(literal(kind.name).label("name")) for kind in KINDS)).subquery()
    newest = aliased(Job)
    if_failed = (
        select(case((newest.status == Status.FAILED, newest.id)))
        .where(
            newest.repository_id == Repository.id,
            newest.kind == kinds.c.name,
            newest.status.in_((Status.COMPLETED, Status.FAILED)),
        )
        .order_by(newest.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return select(if_failed).select_from(Repository).join(kinds, literal(value=True))


@cache
def _proved() -> Select[Any]:
    """The newest completed drill of each repository that has one."""
    done = aliased(Job)
    newest = (
        select(done.id)
        .where(
            done.repository_id == Repository.id,
            done.kind == DRILL.name,
            done.status == Status.COMPLETED,
        )
        .order_by(done.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns: tuple[Any, ...] = (
        DrillJob.id,
        DrillJob.completed_at,
        DrillJob.archive,
        DrillJob.sample,
        DrillJob.nfiles,
        DrillJob.restored_size,
        DrillJob.skipped_count,
    )
    place = Repository.id.label("repository_id")
    return select(place, *columns).join(DrillJob, DrillJob.id == newest)


def _count_ended(
    session: Session, repository_id: int | None, kind: str | None, status: str | None
) -> int:
    """All less those that are active: both are counted in an index, without reading rows."""
    every = _narrowed(select(func.count()).select_from(Job), repository_id, kind)
    if status is not None:
        return session.scalar(every.where(Job.status == status)) or 0
    is_active = select(func.count()).select_from(Job).where(Job.status.in_(ACTIVE))
    # "coalesce" keeps SQLite from the other index, by which it would read every row
    if repository_id is not None:
        is_active = is_active.where(func.coalesce(Job.repository_id, 0) == repository_id)
    if kind is not None:
        is_active = is_active.where(func.coalesce(Job.kind, "") == kind)
    counted = select(every.scalar_subquery() - is_active.scalar_subquery())
    return session.scalar(counted) or 0


def _narrowed(statement: Select[Any], repository_id: int | None, kind: str | None) -> Select[Any]:
    if repository_id is not None:
        statement = statement.where(Job.repository_id == repository_id)
    return statement if kind is None else statement.where(Job.kind == kind)


@cache
def _repositories() -> Select[Any]:
    last = aliased(Archive)
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
        .outerjoin(Archive, Archive.id == newest_good())
        .order_by(func.lower(Repository.name))
    )
