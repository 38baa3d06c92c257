"""What became of a path over the archives of a repository."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui import index
from borgui.config import Config
from borgui.contents.archive import open_index
from borgui.index import Entry, IndexMissing, PathMissing
from borgui.models import Archive


class Dated(NamedTuple):
    """Of an archive's row what is shown beside a version."""

    id: int
    name: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """A path as ``archives`` of the archives have it, the first and the last of them named.

    Between these two there may be another version: an old one that has come back is one with what
    it was. ``entry``: as the last one has it."""

    entry: Entry
    first: Dated
    last: Dated
    archives: int


@dataclass(frozen=True, slots=True)
class History:
    """Every version of a path in a repository, by its last archive: the newest stands last.

    ``indexed``: archives that were looked into; ``missing``: those without an index.
    """

    path: str
    versions: list[Version]
    indexed: int
    missing: int


def history(session: Session, config: Config, repository_id: int, path: str) -> History:
    """The versions of a path in all archives of a repository that have an index.

    Raises :class:`Conflict` ``index_missing`` where none has one, and :class:`NotFound` where no
    archive holds the path.
    """
    rows = rows_of(session, repository_id)
    with open_index(config, repository_id) as opened:
        known = opened.roots(list(rows))
        if not known:
            raise IndexMissing("no archive of this repository is indexed")
        found = opened.versions(path, list(rows))
        if not found:
            raise PathMissing(path)
    return History(path, versions_of(found, rows), len(known), len(rows) - len(known))


def rows_of(session: Session, repository_id: int) -> dict[str, Dated]:
    """The archives of a repository by borg's id, the oldest first. There may be thousands, so only
    what is needed of them is read."""
    wanted = select(Archive.borg_id, Archive.id, Archive.name, Archive.start)
    rows = session.execute(
        wanted.where(Archive.repository_id == repository_id).order_by(Archive.start, Archive.id)
    )
    return {borg_id: Dated(number, name, start) for borg_id, number, name, start in rows}


def versions_of(found: Sequence[index.Version], rows: dict[str, Dated]) -> list[Version]:
    """The versions an index found, with the archives' rows."""
    return [Version(each.entry, rows[each.first], rows[each.last], each.archives) for each in found]
