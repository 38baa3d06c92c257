"""Reads the index of a repository: folders, entries, the history of a path."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from borgui.index.entry import Entry, Found, Kind, time_of
from borgui.index.rows import Facts, Rows
from borgui.index.schema import BIG, ORDER_BLOCK, IndexMissing, open_for_reading

MAX_LIMIT = 1000
"""Entries of one page at most."""


class Sort(StrEnum):
    """How a folder is shown: folders first, always."""

    NAME = "name"
    SIZE = "size"
    MTIME = "mtime"


class PathMissing(LookupError):
    """The archive holds no such path, or no such folder."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a folder; ``total``: how many it has."""

    folder: Entry | None
    """None for the root."""
    entries: list[Entry]
    total: int
    folders: int


@dataclass(frozen=True, slots=True)
class IndexedArchive:
    """``entries``: lines of borg's listing; ``files`` (all but folders) and ``size`` in all."""

    borg_id: str
    entries: int
    files: int
    size: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """A path as several archives have it. ``first`` and ``last`` are ids of archives.

    Between these two others may have another version, or none; ``archives`` counts those that
    have this one. ``entry``: as the last one has it.
    """

    entry: Entry
    first: str
    last: str
    archives: int


class ArchiveIndex:
    """The index of one repository as it is when this is made. Close it soon: use ``with``.

    Raises :class:`IndexMissing` for a repository or an archive without an index, and
    :class:`sqlite3.DatabaseError` for a damaged file, which :func:`borgui.index.discard` removes.
    """

    def __init__(self, path: Path) -> None:
        self.connection = open_for_reading(path)
        self.rows = Rows(self.connection)
        self._roots: dict[str, int] | None = None
        self._children: dict[tuple[int, str], int | None] = {}

    def archives(self) -> list[IndexedArchive]:
        """Every archive it holds, the one indexed last first."""
        found = self.connection.execute(
            "select borg_id, a.entries, n.files, n.size, made_at from archives a"
            " join nodes n on n.id = root order by made_at desc, borg_id"
        )
        return [
            IndexedArchive(borg_id, entries, files, size, time_of(made_at))
            for borg_id, entries, files, size, made_at in found
        ]

    def has(self, borg_id: str) -> bool:
        """Whether the archive is in it."""
        return self._root(borg_id) is not None

    def folder(
        self,
        borg_id: str,
        path: str = "",
        *,
        sort: Sort = Sort.NAME,
        is_descending: bool = False,
        offset: int = 0,
        limit: int = 100,
    ) -> Page:
        """A page of a folder. Raises :class:`PathMissing`."""
        found = self.locate(borg_id, path) if _parts(path) else None
        if found is not None and found.entry.files is None:
            raise PathMissing(f"no folder: {path!r}")
        node = self.root(borg_id) if found is None else found.child
        entry = None if found is None else found.entry
        if node is None:
            return Page(entry, [], 0, 0)
        facts = self.rows.facts(node)
        first = max(0, min(offset, facts.entries))
        end = min(first + max(0, min(limit, MAX_LIMIT)), facts.entries)
        page = self._page(facts, "/".join(_parts(path)), sort, first, end, is_descending)
        return Page(entry, [each.entry for each in page], facts.entries, facts.folders)

    def entry(self, borg_id: str, path: str) -> Entry:
        """The entry at a path. Raises :class:`PathMissing`."""
        return self.locate(borg_id, path).entry

    def versions(self, path: str, borg_ids: Sequence[str]) -> list[Version]:
        """Every distinct version of a path, by its last archive; ``borg_ids`` in order of time.

        So the newest stands last, also where an old one has come back. Archives without an index
        are left out. A file's versions differ in kind, size, time or link target; a folder's in
        anything below it.
        """
        found: dict[tuple[Any, ...], Version] = {}
        seen: dict[int | None, Found | None] = {}
        for borg_id, root in self.roots(borg_ids).items():
            folder = self._folder_of(root, path)
            if folder not in seen:  # most archives share it
                seen[folder] = self._entry_of(folder, path)
            there = seen[folder]
            if there is None:
                continue
            there = self.followed(root, there)
            known = found.pop(there.content, None)  # put back at the end: that is the order
            first, archives = (known.first, known.archives) if known else (borg_id, 0)
            found[there.content] = Version(there.entry, first, borg_id, archives + 1)
        return list(found.values())

    def root(self, borg_id: str) -> int:
        """The archive's root node; raises :class:`IndexMissing`."""
        root = self._root(borg_id)
        if root is None:
            raise IndexMissing(f"there is no index of the archive {borg_id}")
        return root

    def roots(self, borg_ids: Sequence[str] | None = None) -> dict[str, int]:
        """Root nodes of the archives that are in it, of these or of all."""
        if self._roots is None:
            found = self.connection.execute("select borg_id, root from archives")
            self._roots = dict(found.fetchall())
        known = self._roots
        wanted = known if borg_ids is None else borg_ids
        return {borg_id: known[borg_id] for borg_id in wanted if borg_id in known}

    def locate(self, borg_id: str, path: str) -> Found:
        """Where a path is; raises :class:`PathMissing`."""
        found = self._find(self.root(borg_id), path)
        if found is None:
            raise PathMissing(f"no such path: {path!r}")
        return found

    def followed(self, root: int, found: Found) -> Found:
        """A later name of a hard link with size and content of its first name, of which alone borg
        tells them: which name comes first is no property of the file. ``root``: its archive's.

        As it is where the first name cannot be found for certain: that may hold a ``?``.
        """
        if found.entry.kind is not Kind.HARD_LINK:
            return found
        first = self._find(root, found.entry.link_target or "")
        if first is None or first.entry.mtime != found.entry.mtime:
            return found
        entry = replace(found.entry, size=first.entry.size)
        return replace(found, entry=entry, content=first.content)

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self.close()

    def _root(self, borg_id: str) -> int | None:
        found = self.connection.execute(
            "select root from archives where borg_id = ?", (borg_id,)
        ).fetchone()
        return None if found is None else int(found[0])

    def _find(self, root: int, path: str) -> Found | None:
        return self._entry_of(self._folder_of(root, path), path)

    def _folder_of(self, root: int, path: str) -> int | None:
        node: int | None = root
        for folder in _parts(path)[:-1]:
            node = self._child(node, folder)
        return node

    def _entry_of(self, node: int | None, path: str) -> Found | None:
        *folders, name = _parts(path) or [""]
        return self.rows.find(node, "/".join(folders), name) if node and name else None

    def _child(self, node: int | None, name: str) -> int | None:
        """As :meth:`Rows.child`; archives share most folders, so what was found is kept."""
        if node is None:
            return None
        key = (node, name)
        if key not in self._children:
            self._children[key] = self.rows.child(node, name)
        return self._children[key]

    def _page(
        self, node: Facts, folder: str, sort: Sort, first: int, end: int, is_descending: bool
    ) -> list[Found]:
        if sort is not Sort.NAME and node.entries <= BIG:
            down = " desc" if is_descending else ""
            order = f"e.{sort.value}{down}, e.number{down}"
            return self.rows.sorted(node, folder, order, first, end - first)
        found: list[Found] = []
        for low, high in _ranges(node, first, end, is_descending=is_descending):
            if sort is Sort.NAME:
                part = self.rows.between(node.id, folder, low, high)
            else:
                numbers = self.rows.stored_order(node.id, sort.value, low, high, ORDER_BLOCK)
                part = self.rows.at(node.id, folder, numbers)
            found += reversed(part) if is_descending else part
        return found


def _ranges(node: Facts, first: int, end: int, *, is_descending: bool) -> list[tuple[int, int]]:
    """The stored positions shown at ``first`` to ``end - 1``: folders stay before others."""
    ranges = []
    for low, high in ((0, node.folders), (node.folders, node.entries)):
        begin, stop = max(first, low), min(end, high)
        if begin < stop and is_descending:
            ranges.append((low + high - stop, low + high - begin))
        elif begin < stop:
            ranges.append((begin, stop))
    return ranges


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]
