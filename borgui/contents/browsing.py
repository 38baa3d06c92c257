"""One archive's folders and entries."""

from dataclasses import dataclass

from borgui.config import Config
from borgui.contents.archive import open_index
from borgui.index import Entry, Sort
from borgui.models import Archive


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
