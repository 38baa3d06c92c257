"""Content diffs: the jobs that made them, what their files in ``DATA_DIR/diffs`` tell, their end.

A worker writes ``{job}.part`` and renames it to ``{job}.db`` when it is whole. A result counts for
all that lies in the paths it was limited to.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui import diff_file, prepared
from borgui.borg.differences import Change, Difference
from borgui.config import Config
from borgui.diff_file import DiffFile
from borgui.errors import Conflict, Invalid
from borgui.jobs import kind_of
from borgui.jobs.job import ACTIVE, Status
from borgui.models import Archive, now

KIND = kind_of("diff")

LOOKED_AT = 50
"""Jobs of two archives among which one is looked for."""

log = logging.getLogger("borgui.web")


@dataclass(frozen=True, slots=True)
class Contents:
    """One page of what differs. ``counts``: entries by change in ``path`` and below, whatever
    ``change`` the page is limited to; ``everything``: all of them. ``page`` counts from 1."""

    job: Any
    before: Archive
    after: Archive
    path: str
    change: Change | None
    items: list[Difference]
    total: int
    everything: int
    counts: dict[Change, int]
    page: int
    per_page: int


def same_repository(before: Archive, after: Archive) -> None:
    """Raise :class:`Invalid` for archives of two repositories."""
    if before.repository_id != after.repository_id:
        raise Invalid({"other_id": "It belongs to another repository."})


def newest(
    session: Session, config: Config, before: Archive, after: Archive, path: str = ""
) -> Any | None:
    """The last completed job whose result is there and tells of ``path``."""
    row: Any = KIND.row
    found = session.scalars(
        _of(before, after)
        .where(row.status == Status.COMPLETED, row.expires_at > now())
        .limit(LOOKED_AT)
    )
    return next(
        (job for job in found if _covers(job, path) and file_of(config, job.id).is_file()), None
    )


def last(session: Session, before: Archive, after: Archive, path: str = "") -> Any | None:
    """The last job, whatever became of it, whose result tells, or would tell, of ``path``."""
    found = session.scalars(_of(before, after).limit(LOOKED_AT))
    return next((job for job in found if _covers(job, path)), None)


def active(session: Session, before: Archive, after: Archive, path: str = "") -> Any | None:
    """The job that waits or runs to compare ``path``."""
    job = last(session, before, after, path)
    return job if job is not None and job.status in ACTIVE else None


def read(
    session: Session,
    config: Config,
    before: Archive,
    after: Archive,
    path: str = "",
    *,
    change: Change | None = None,
    page: int = 1,
    per_page: int = 100,
) -> Contents:
    """A page of the newest result. Raises :class:`Invalid` for archives of two repositories and
    :class:`Conflict` ``diff_missing`` where nothing has been compared yet."""
    same_repository(before, after)
    job = newest(session, config, before, after, path)
    if job is None:
        raise _missing()
    with _open(config, job.id) as found:
        return Contents(
            job,
            before,
            after,
            path,
            change,
            found.page(change, path, offset=(page - 1) * per_page, limit=per_page),
            found.total(change, path),
            found.total(None, path),
            found.counts(path),
            page,
            per_page,
        )


def sweep(session: Session, folder: Path) -> int:
    """Remove what has expired, what failed jobs left and what belongs to no job.

    Returns how many files went.
    """
    return prepared.sweep(session, folder, KIND.row, "db")


def file_of(config: Config, job_id: int) -> Path:
    """Where a job's result is, or would be."""
    return config.diffs / f"{job_id}.db"


@contextmanager
def _open(config: Config, job_id: int) -> Iterator[DiffFile]:
    """A damaged file is removed, and is missing from then on."""
    path = file_of(config, job_id)
    try:
        with diff_file.opened(path) as found:
            yield found
    except FileNotFoundError as error:
        raise _missing() from error
    except sqlite3.DatabaseError as error:
        log.warning("the comparison %s cannot be read and is removed: %s", path, error)
        path.unlink(missing_ok=True)
        raise _missing() from error


def _of(before: Archive, after: Archive) -> Any:
    row: Any = KIND.row
    return (
        select(row)
        .where(row.archive_id == before.id, row.other_id == after.id)
        .order_by(row.id.desc())
    )


def _covers(job: Any, path: str) -> bool:
    return not job.paths or any(path == each or path.startswith(f"{each}/") for each in job.paths)


def _missing() -> Conflict:
    return Conflict(
        "diff_missing",
        "The contents of these archives have not been compared yet, or that was too long ago."
        " Start it with POST to the same address.",
    )
