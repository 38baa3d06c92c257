"""Looking for names in one archive, one repository or all."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui import index
from borgui.config import Config
from borgui.contents.archive import open_index
from borgui.contents.versions import Dated, Version, rows_of, versions_of
from borgui.errors import Conflict
from borgui.index import ArchiveIndex, Query
from borgui.models import Archive, Repository

SECONDS = 3.0
"""How long a search may take, in all repositories together."""


@dataclass(frozen=True, slots=True)
class Found:
    """A path that a search found, with its versions in the archives searched, the newest last."""

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
        rows = rows_of(session, repository.id)
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

    def into(self, repository: Repository, rows: dict[str, Dated], wanted: list[str]) -> None:
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
            Found(repository, hit.path, versions_of(hit.versions, rows)) for hit in hits.hits
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
