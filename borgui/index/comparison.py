"""What changed between two archives. Folders that both hold are equal nodes and are not read."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final, NamedTuple

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
    entry: Entry
    """As it is now; of what was removed, as it was."""
    before: Entry | None
    """As it was, unless it was added."""
    counts: Counts

    @property
    def path(self) -> str:
        """Where it is."""
        return self.entry.path


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
    """What differs directly in one folder, each folder in it with the sum of what is below; of a
    path that is a file in either archive, what happened to it.

    The page's ``counts`` are the whole folder's. Raises :class:`PathMissing` where neither
    archive has it.
    """
    walk = _Walk(index, before, after, time.monotonic() + seconds)
    counts = Counts()
    page: list[Change] = []
    found = 0
    for difference in walk.at(path):
        below = walk.count(difference)
        if below is None:
            continue
        change = difference.change(below)
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
    in it. A path that is a file in either archive is one itself. ``counts`` are those of the page.
    """
    walk = _Walk(index, before, after, time.monotonic() + seconds)
    flat = walk.flat(walk.at(path))
    page = [each.change(each.counts()) for each in islice(flat, offset, offset + limit)]
    counts = Counts()
    for change in page:
        counts.add(change.counts)
    has_more = next(flat, None) is not None
    return Changes(page, has_more, counts, not walk.ran_out)


class _Difference(NamedTuple):
    """As a :class:`Change`, with the entries' places in the index."""

    status: Status
    found: Found
    before: Found | None

    @property
    def is_in_both(self) -> bool:
        """Whether it is a folder that both archives have."""
        return self.status is Status.MODIFIED and self.found.entry.files is not None

    def change(self, counts: Counts) -> Change:
        before = None if self.before is None else self.before.entry
        return Change(self.status, self.found.entry, before, counts)

    def counts(self) -> Counts:
        """By itself: nothing for a folder that both have."""
        if self.is_in_both:
            return Counts()
        entry, size = self.found.entry, self.found.entry.size or 0
        files = 1 if entry.files is None else entry.files
        if self.status is Status.ADDED:
            return Counts(added=files, added_size=size)
        if self.status is Status.REMOVED:
            return Counts(removed=files, removed_size=size)
        size_before = 0 if self.before is None else self.before.entry.size or 0
        return Counts(modified=1, added_size=size, removed_size=size_before)


@dataclass(slots=True)
class _Walk:
    index: ArchiveIndex
    before: str
    after: str
    until: float
    ran_out: bool = False
    _roots: tuple[int, int] = field(init=False)
    _counted: dict[tuple[int | None, int | None], Counts | None] = field(default_factory=dict)
    _steps: int = 0

    def __post_init__(self) -> None:
        self._roots = self.index.root(self.before), self.index.root(self.after)

    def at(self, path: str) -> Iterator[_Difference]:
        """What differs directly at a path. Raises :class:`PathMissing`."""
        if not path.strip("/"):
            return self.level(*self._roots, "")
        here, there = self._locate(self.before, path), self._locate(self.after, path)
        found = [each for each in (here, there) if each is not None]
        if not found:
            raise PathMissing(f"no such path: {path!r}")
        if all(each.entry.files is not None for each in found):
            one, two = (None if each is None else each.child for each in (here, there))
            return self.level(one, two, path.strip("/"))
        left, right = (iter(() if each is None else (each,)) for each in (here, there))
        return self._merge(left, right)

    def _locate(self, borg_id: str, path: str) -> Found | None:
        try:
            return self.index.locate(borg_id, path)
        except PathMissing:
            return None

    def level(self, one: int | None, two: int | None, folder: str) -> Iterator[_Difference]:
        """The entries of two nodes that differ, in order."""
        if one == two:
            return iter(())
        left = iter(() if one is None else self.index.rows.all(one, folder))
        right = iter(() if two is None else self.index.rows.all(two, folder))
        return self._merge(left, right)

    def _merge(self, left: Iterator[Found], right: Iterator[Found]) -> Iterator[_Difference]:
        """Both are sorted alike."""
        here, there = next(left, None), next(right, None)
        while not self._is_late():
            if here is not None and (there is None or here.key < there.key):
                yield _Difference(Status.REMOVED, here, here)
                here = next(left, None)
            elif there is not None and (here is None or there.key < here.key):
                yield _Difference(Status.ADDED, there, None)
                there = next(right, None)
            elif here is not None and there is not None:
                if here.content != there.content:
                    here, there = map(self.index.followed, self._roots, (here, there))
                if here.content != there.content or here.owner != there.owner:
                    yield _Difference(Status.MODIFIED, there, here)
                here, there = next(left, None), next(right, None)
            else:
                return

    def flat(self, level: Iterator[_Difference]) -> Iterator[_Difference]:
        """The same with all below: a folder in both gives way to what differs in it."""
        waiting = [level]
        while waiting:
            difference = next(waiting[-1], None)
            if difference is None:
                waiting.pop()
                continue
            _, there, here = difference
            if not difference.is_in_both or here is None:
                yield difference
                continue
            if here.owner != there.owner:
                yield difference
            waiting.append(self.level(here.child, there.child, there.entry.path))

    def count(self, difference: _Difference) -> Counts | None:
        """What it comes to, with all below; None for a folder in which nothing differs after all,
        only the time of a folder, or which name of a hard link comes first."""
        _, there, here = difference
        if not difference.is_in_both or here is None:
            return difference.counts()
        key = (here.child, there.child)
        if key not in self._counted:
            self._counted[key] = self._sum(self.flat(self.level(*key, "")))
        return self._counted[key] or (Counts() if here.owner != there.owner else None)

    def _sum(self, differences: Iterator[_Difference]) -> Counts | None:
        counts = None
        for each in differences:
            counts = counts or Counts()
            counts.add(each.counts())
        return Counts() if counts is None and self.ran_out else counts

    def _is_late(self) -> bool:
        self._steps += 1
        if self._steps % 256 == 0 and time.monotonic() > self.until:
            self.ran_out = True
        return self.ran_out
