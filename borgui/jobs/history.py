"""Lists of jobs and archives, a page at a time, counted and cut in SQL."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, selectin_polymorphic

from borgui.jobs import KINDS
from borgui.jobs.job import Job
from borgui.models import Archive

Row = TypeVar("Row")

PER_PAGE = 50
MOST_PER_PAGE = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list; ``page`` counts from 1."""

    items: list[Row]
    total: int
    page: int
    per_page: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.total // self.per_page))


def jobs(
    session: Session,
    *,
    kind: str | None = None,
    status: str | None = None,
    repository_id: int | None = None,
    page: int = 1,
    per_page: int = PER_PAGE,
) -> Page[Job]:
    """Jobs of every kind, newest first. One query for the rows and one a kind among them."""
    wanted = select(Job)
    for column, value in (
        (Job.kind, kind),
        (Job.status, status),
        (Job.repository_id, repository_id),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    rows = wanted.order_by(Job.id.desc()).options(selectin_polymorphic(Job, _row_types()))
    return _page(session, wanted, rows, page, per_page)


def archives(
    session: Session, repository_id: int, *, page: int = 1, per_page: int = PER_PAGE
) -> Page[Archive]:
    """The archives known of a repository, newest first."""
    wanted = select(Archive).where(Archive.repository_id == repository_id)
    rows = wanted.order_by(Archive.start.desc(), Archive.id.desc())
    return _page(session, wanted, rows, page, per_page)


def _page(
    session: Session, wanted: Select[Any], rows: Select[Any], page: int, per_page: int
) -> Page[Any]:
    per_page = min(max(per_page, 1), MOST_PER_PAGE)
    page = max(page, 1)
    total = session.scalar(wanted.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    if (page - 1) * per_page >= total:
        return Page([], total, page, per_page)
    items = session.scalars(rows.limit(per_page).offset((page - 1) * per_page)).all()
    return Page(list(items), total, page, per_page)


def _row_types() -> list[type[Job]]:
    return [kind.row for kind in KINDS if kind.row is not Job]
