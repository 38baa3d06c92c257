"""What archives hold, for pages and API: the index on disk joined with the archives' rows.

Everything here only reads, in bounded time, and never asks borg. Paths are as borg stores them:
without a leading slash, ``str`` with surrogate escapes; the empty path is the archive's root.
"""

import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from borgui import index
from borgui.config import Config
from borgui.errors import Conflict, Invalid, NotFound, Unavailable
from borgui.index import ArchiveIndex, Counts, Entry, IndexMissing, PathMissing, Query, Sort, Status
from borgui.jobs import admission, kind_of
from borgui.jobs.job import ACTIVE, Job, Priority
from borgui.models import Archive, Repository

LONGEST_PATH = 4096
"""Bytes; Linux takes no longer path."""

SECONDS = 3.0
"""How long a search may take, in all repositories together."""

log = logging.getLogger("borgui.web")


@dataclass(frozen=True, slots=True)
class Folder:
    """One page of a folder. ``entry``: itself, None for the root; ``folders``: how many of
    ``total`` are folders, which come first. ``page`` counts from 1."""

    archive: Archive
    path: str
    entry: Entry | None
    entries: list[Entry]
    total: int
    folders: int
    page: int
    per_page: int


@dataclass(frozen=True, slots=True)
class Version:
    """A path as ``archives`` of the archives have it, the first and the last of them named."""

    entry: Entry
    first: Archive
    last: Archive
    archives: int


@dataclass(frozen=True, slots=True)
class History:
    """Every version of a path in a repository, the oldest first.

    ``indexed``: archives that were looked into; ``missing``: those without an index.
    """

    path: str
    versions: list[Version]
    indexed: int
    missing: int


@dataclass(frozen=True, slots=True)
class Found:
    """A path that a search found, with its versions in the archives searched, the oldest first."""

    repository: Repository
    path: str
    versions: list[Version]


@dataclass(frozen=True, slots=True)
class Results:
    """One page of what a search found.

    ``is_complete``: False where time ran out, or where a repository has more matches than a
    search goes through: then one should ask more narrowly. ``indexed``: archives that were
    searched; ``missing``: those of the same choice that have no index yet.
    """

    items: list[Found]
    page: int
    per_page: int
    has_more: bool
    is_complete: bool
    indexed: int
    missing: int


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one entry. ``before``: as it was; ``after``: as it is; None where it is in
    one archive only. ``counts``: of a folder with all below, in files and bytes."""

    status: Status
    path: str
    before: Entry | None
    after: Entry | None
    counts: Counts


@dataclass(frozen=True, slots=True)
class Comparison:
    """One page of what differs. ``counts``: by folder, of the whole folder; else of the page.
    ``is_complete``: False where time ran out."""

    before: Archive
    after: Archive
    path: str
    changes: list[Change]
    counts: Counts
    page: int
    per_page: int
    has_more: bool
    is_complete: bool


# --- archives and their index ---------------------------------------------------------------------


def load_archive(session: Session, archive_id: int) -> Archive:
    """The archive, or :class:`NotFound`."""
    archive = session.get(Archive, archive_id)
    if archive is None:
        raise NotFound("archive_not_found", f"There is no archive {archive_id}.")
    return archive


@contextmanager
def open_index(config: Config, repository_id: int) -> Iterator[ArchiveIndex]:
    """The index of a repository as it is now; keep it open for one answer only.

    Raises :class:`Conflict` ``index_missing`` where there is none, or it does not hold an archive
    that is asked for within. A damaged one is removed, and is missing from then on; and
    :class:`NotFound` ``path_not_found`` for a path that is asked for within and is not there.
    """
    path = index_file(config, repository_id)
    try:
        with ArchiveIndex(path) as opened:
            yield opened
    except IndexMissing as error:
        raise _missing() from error
    except PathMissing as error:
        raise NotFound("path_not_found", "The archive holds no such path.") from error
    except sqlite3.OperationalError as error:  # the file itself may be good
        raise Unavailable("index_unavailable", f"The index cannot be read now: {error}.") from error
    except sqlite3.DatabaseError as error:
        log.warning("the index %s is damaged and is removed: %s", path, error)
        index.discard(path)
        raise _missing() from error


def index_file(config: Config, repository_id: int) -> Path:
    """Where the index of a repository is, or would be."""
    return config.indexes / f"{repository_id}.db"


def indexed_ids(config: Config, repository_id: int) -> set[str]:
    """Borg's ids of the archives that have an index; empty where there is none."""
    try:
        with open_index(config, repository_id) as opened:
            return set(opened.roots())
    except Conflict:
        return set()


def is_indexed(config: Config, archive: Archive) -> bool:
    """Whether the archive can be browsed now."""
    return archive.borg_id in indexed_ids(config, archive.repository_id)


def start_index(
    session: Session,
    queue: redis.Redis,
    config: Config,
    archive: Archive,
    *,
    user_id: int | None = None,
    idempotency_key: str | None = None,
    priority: Priority = Priority.DEFAULT,
) -> Job | None:
    """Start the job that makes the archive's index; None when it is there already.

    A job that makes it just now is answered instead of a second one. Raises
    :class:`~borgui.errors.Unavailable` without Redis and :class:`Conflict` when the repository is
    not ready. Commits.
    """
    if is_indexed(config, archive):
        return None
    admission.require_queue(queue)
    if (job := index_job(session, archive)) is not None:
        return _hurry(session, job, priority)
    return admission.start(
        session,
        queue,
        kind_of("index"),
        archive.repository,
        options={"archive_id": archive.id, "archive": archive.name},
        priority=priority,
        user_id=user_id,
        idempotency_key=idempotency_key,
    )


def _hurry(session: Session, job: Job, priority: Priority) -> Job:
    """Let a job that still waits be served as early as ``priority``. Commits."""
    session.execute(
        update(Job)
        .where(Job.id == job.id, Job.admitted_at.is_(None), Job.priority_rank > priority.rank)
        .values(priority_rank=priority.rank)
    )
    session.commit()
    return job


def index_job(session: Session, archive: Archive) -> Job | None:
    """The job that waits or runs to make the archive's index, for its progress."""
    active = session.scalars(
        select(Job)
        .where(
            Job.kind == "index",
            Job.repository_id == archive.repository_id,
            Job.status.in_(ACTIVE),
        )
        .order_by(Job.id)
    )
    return next((job for job in active if job.options.get("archive_id") == archive.id), None)


def check_path(path: str, field: str = "path") -> str:
    """A path inside an archive as a person or program gave it, in the form used here.

    Raises :class:`Invalid` for what no archive holds: a leading slash, ``.`` or ``..`` as a part,
    a NUL, more bytes than a path may have. A slash at the end is dropped.
    """
    fault = _path_fault(path)
    if fault is not None:
        raise Invalid({field: fault})
    return path.rstrip("/")


# --- what pages and API show ----------------------------------------------------------------------


def folder(
    config: Config,
    archive: Archive,
    path: str = "",
    *,
    sort: Sort = Sort.NAME,
    is_descending: bool = False,
    page: int = 1,
    per_page: int = 100,
) -> Folder:
    """A page of a folder of an archive, folders first.

    Raises :class:`Conflict` ``index_missing`` and :class:`NotFound` ``path_not_found`` (also for
    what is no folder).
    """
    with open_index(config, archive.repository_id) as opened:
        found = opened.folder(
            archive.borg_id,
            path,
            sort=sort,
            is_descending=is_descending,
            offset=(page - 1) * per_page,
            limit=per_page,
        )
    return Folder(
        archive, path, found.folder, found.entries, found.total, found.folders, page, per_page
    )


def entry(config: Config, archive: Archive, path: str) -> Entry:
    """One entry of an archive. Raises as :func:`folder`; the root is no entry."""
    with open_index(config, archive.repository_id) as opened:
        return opened.entry(archive.borg_id, path)


def history(session: Session, config: Config, repository_id: int, path: str) -> History:
    """The versions of a path in all archives of a repository that have an index.

    Raises :class:`Conflict` ``index_missing`` where none has one, and :class:`NotFound` where no
    archive holds the path.
    """
    rows = _rows(session, repository_id)
    with open_index(config, repository_id) as opened:
        known = opened.roots(list(rows))
        if not known:
            raise IndexMissing("no archive of this repository is indexed")
        found = opened.versions(path, list(rows))
        if not found:
            raise PathMissing(path)
    return History(path, _versions(found, rows), len(known), len(rows) - len(known))


def search(
    session: Session,
    config: Config,
    query: Query,
    *,
    repository_id: int | None = None,
    archive: Archive | None = None,
    page: int = 1,
    per_page: int = 50,
) -> Results:
    """Look for entries by name in one archive, one repository or all, repositories by name.

    Without ``archive`` and ``repository_id`` it is all repositories. What has no index is left
    out and counted.
    """
    look = _Search(session, config, query, (page - 1) * per_page, page * per_page)
    for repository in _repositories(session, repository_id, archive):
        rows = _rows(session, repository.id)
        look.into(repository, rows, list(rows) if archive is None else [archive.borg_id])
    return Results(
        look.items,
        page,
        per_page,
        look.has_more,
        look.is_complete,
        look.indexed,
        look.missing,
    )


def compare(
    config: Config,
    before: Archive,
    after: Archive,
    path: str = "",
    *,
    is_flat: bool = False,
    page: int = 1,
    per_page: int = 100,
) -> Comparison:
    """What differs in a folder of two archives of one repository.

    By folder: what lies directly in it, each folder with the sums of what is below; flat: every
    change below it as one list. Raises :class:`Invalid` for archives of different repositories,
    :class:`Conflict` ``index_missing`` where one has none, :class:`NotFound` where neither has
    the path.
    """
    if before.repository_id != after.repository_id:
        raise Invalid({"other_id": "It belongs to another repository."})
    kind = index.changes if is_flat else index.compare
    with open_index(config, before.repository_id) as opened:
        found = kind(
            opened,
            before.borg_id,
            after.borg_id,
            path,
            offset=(page - 1) * per_page,
            limit=per_page,
        )
    return Comparison(
        before,
        after,
        path,
        [_change(each) for each in found.changes],
        found.counts,
        page,
        per_page,
        found.has_more,
        found.is_complete,
    )


# --- within ---------------------------------------------------------------------------------------


def _missing() -> Conflict:
    return Conflict(
        "index_missing",
        "What this archive holds has not been read yet. Start that with POST"
        " /api/archives/ID/index.",
    )


def _path_fault(path: str) -> str | None:
    if path.startswith("/"):
        return "Paths in an archive have no leading slash."
    if "\0" in path:
        return "It may not hold a NUL."
    if len(path.encode("utf-8", "surrogateescape")) > LONGEST_PATH:
        return f"It may have at most {LONGEST_PATH} bytes."
    if any(part in {".", ".."} for part in path.split("/")):
        return "It may not hold . or .. as a part."
    return None


def _rows(session: Session, repository_id: int) -> dict[str, Archive]:
    """The archives of a repository by borg's id, the oldest first."""
    wanted = select(Archive).where(Archive.repository_id == repository_id)
    rows = session.scalars(wanted.order_by(Archive.start, Archive.id))
    return {row.borg_id: row for row in rows}


def _repositories(
    session: Session, repository_id: int | None, archive: Archive | None
) -> Sequence[Repository]:
    wanted = select(Repository).order_by(Repository.name, Repository.id)
    if archive is not None:
        wanted = wanted.where(Repository.id == archive.repository_id)
    if repository_id is not None:
        wanted = wanted.where(Repository.id == repository_id)
    return session.scalars(wanted).all()


@dataclass(slots=True)
class _Search:
    """A search in one repository after the other: ``start`` to ``end`` are the matches shown."""

    session: Session
    config: Config
    query: Query
    start: int
    end: int
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS)
    items: list[Found] = field(default_factory=list)
    passed: int = 0
    indexed: int = 0
    missing: int = 0
    has_more: bool = False
    is_complete: bool = True

    def into(self, repository: Repository, rows: dict[str, Archive], wanted: list[str]) -> None:
        """Go on with the archives ``wanted`` of this repository."""
        try:
            with open_index(self.config, repository.id) as opened:
                known = list(opened.roots(wanted))
                hits = None if self.has_more or not known else self._hits(opened, wanted)
        except Conflict:
            known, hits = [], None
        self.indexed += len(known)
        self.missing += len(wanted) - len(known)
        if hits is None:
            return
        self.items += [
            Found(repository, hit.path, _versions(hit.versions, rows)) for hit in hits.hits
        ]
        self.passed += hits.seen
        # short of the page's end with more to come: it has more matches than a search goes through
        self.has_more = hits.has_more and self.passed >= self.end
        self.is_complete &= hits.is_complete and hits.has_more == self.has_more

    def _hits(self, opened: ArchiveIndex, wanted: list[str]) -> index.Hits:
        return index.search(
            opened,
            self.query,
            wanted,
            offset=max(self.start - self.passed, 0),
            limit=max(self.end - max(self.start, self.passed), 0),
            seconds=max(self.until - time.monotonic(), 0),
        )


def _versions(found: Sequence[index.Version], rows: dict[str, Archive]) -> list[Version]:
    return [Version(each.entry, rows[each.first], rows[each.last], each.archives) for each in found]


def _change(change: index.Change) -> Change:
    after = None if change.status is Status.REMOVED else change.entry
    return Change(change.status, change.path, change.before, after, change.counts)
