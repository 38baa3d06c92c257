"""What changed between two archives. Folders that both hold are equal nodes and are not read."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final

from borgui.index.entry import Entry, Found
from borgui.index.reader import ArchiveIndex, PathMissing

SECONDS: Final = 3.0
"""How long a comparison may take before it says that it did not see everything."""


class Status(StrEnum):
    """What happened to an entry."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"


@dataclass(slots=True)
class Counts:
    """Entries that are no folders; bytes of what was added and removed, both of what changed."""

    added: int = 0
    removed: int = 0
    modified: int = 0
    added_size: int = 0
    removed_size: int = 0

    def add(self, other: "Counts") -> None:
        """Add up."""
        self.added += other.added
        self.removed += other.removed
        self.modified += other.modified
        self.added_size += other.added_size
        self.removed_size += other.removed_size


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that differs. ``counts``: of a folder with all below, of a file itself."""

    status: Status
    before: Entry | None
    after: Entry | None
    counts: Counts

    @property
    def path(self) -> str:
        """Where it is."""
        entry = self.after or self.before
        assert entry is not None
        return entry.path


@dataclass(frozen=True, slots=True)
class Changes:
    """A page. ``counts``: of all that was compared. ``is_complete``: False where time ran out."""

    changes: list[Change]
    has_more: bool
    counts: Counts
    is_complete: bool


def compare(
    index: ArchiveIndex,
    before: str,
    after: str,
    path: str = "",
    *,
    offset: int = 0,
    limit: int = 100,
    seconds: float = SECONDS,
) -> Changes:
    """What differs directly in one folder, each folder in it with the sum of what is below.

    The page's ``counts`` are the whole folder's. Raises :class:`PathMissing` where neither
    archive has it.
    """
    walk = _Walk(index, time.monotonic() + seconds)
    counts = Counts()
    page: list[Change] = []
    found = 0
    for one, two in walk.pairs(*_nodes(index, before, after, path), path.strip("/")):
        change = _change(one, two, walk.count(one, two))
        counts.add(change.counts)
        if offset <= found < offset + limit:
            page.append(change)
        found += 1
    return Changes(page, found > offset + limit, counts, not walk.ran_out)


def changes(
    index: ArchiveIndex,
    before: str,
    after: str,
    path: str = "",
    *,
    offset: int = 0,
    limit: int = 100,
    seconds: float = SECONDS,
) -> Changes:
    """Everything that differs below a folder as one flat list.

    A folder that only one archive has is one change; of a folder that both have, only what is
    in it. ``counts`` are those of the page.
    """
    walk = _Walk(index, time.monotonic() + seconds)
    flat = walk.flat(*_nodes(index, before, after, path), path.strip("/"))
    page = [_change(one, two, walk.count(one, two)) for one, two in
            islice(flat, offset, offset + limit)]  # fmt: skip
    counts = Counts()
    for change in page:
        counts.add(change.counts)
    has_more = next(flat, None) is not None
    return Changes(page, has_more, counts, not walk.ran_out)


Pair = tuple[Found | None, Found | None]


@dataclass(slots=True)
class _Walk:
    index: ArchiveIndex
    until: float
    ran_out: bool = False
    _counted: dict[tuple[int | None, int | None], Counts] = field(default_factory=dict)

    def pairs(self, one: int | None, two: int | None, folder: str) -> Iterator[Pair]:
        """The entries of two nodes that differ, in order: both are sorted alike."""
        if one == two:
            return
        left = iter(() if one is None else self.index.rows.all(one, folder))
        right = iter(() if two is None else self.index.rows.all(two, folder))
        here, there = next(left, None), next(right, None)
        steps = 0
        while here is not None or there is not None:
            steps += 1
            if steps % 256 == 0 and time.monotonic() > self.until:
                self.ran_out = True
                return
            if there is None or (here is not None and here.key < there.key):
                yield here, None
                here = next(left, None)
            elif here is None or there.key < here.key:
                yield None, there
                there = next(right, None)
            else:
                if here.content != there.content or here.owner != there.owner:
                    yield here, there
                here, there = next(left, None), next(right, None)

    def flat(self, one: int | None, two: int | None, folder: str) -> Iterator[Pair]:
        """The same with all below: a folder in both gives way to what differs in it."""
        waiting = [self.pairs(one, two, folder)]
        while waiting:
            pair = next(waiting[-1], None)
            if pair is None:
                waiting.pop()
                continue
            here, there = pair
            if here is None or there is None or here.entry.files is None:
                yield pair
                continue
            if here.owner != there.owner:
                yield pair
            waiting.append(self.pairs(here.child, there.child, here.entry.path))

    def count(self, one: Found | None, two: Found | None) -> Counts:
        """What a change comes to."""
        if one is None or two is None or one.entry.files is None:
            return _count_ends(one, two)
        key = (one.child, two.child)
        if key not in self._counted:
            counts = Counts()
            for here, there in self.flat(one.child, two.child, ""):
                if here is None or there is None or here.entry.files is None:
                    counts.add(_count_ends(here, there))
            self._counted[key] = counts
        return self._counted[key]


def _nodes(
    index: ArchiveIndex, before: str, after: str, path: str
) -> tuple[int | None, int | None]:
    if not path.strip("/"):
        return index.root(before), index.root(after)
    found: list[Found | None] = []
    for borg_id in (before, after):
        try:
            found.append(index.locate(borg_id, path))
        except PathMissing:
            found.append(None)
    if found == [None, None]:
        raise PathMissing(f"no such path: {path!r}")
    one, two = (None if each is None else each.child for each in found)
    return one, two


def _change(one: Found | None, two: Found | None, counts: Counts) -> Change:
    status = Status.ADDED if one is None else Status.REMOVED if two is None else Status.MODIFIED
    return Change(status, one.entry if one else None, two.entry if two else None, counts)


def _count_ends(one: Found | None, two: Found | None) -> Counts:
    """Of a pair where at most one is a folder."""
    counts = Counts()
    if one is not None:
        counts.removed_size = one.entry.size or 0
    if two is not None:
        counts.added_size = two.entry.size or 0
    if one is not None and two is not None:
        counts.modified = 1
    elif one is not None:
        counts.removed = 1 if one.entry.files is None else one.entry.files
    elif two is not None:
        counts.added = 1 if two.entry.files is None else two.entry.files
    return counts
