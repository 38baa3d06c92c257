"""Keeps the count of a drill: which files are proved, by what, and which are not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

from borgui.borg import listing
from borgui.borg.display import as_borg_prints
from borgui.borg.listing import Checksum
from borgui.borg.progress import Progress
from borgui.borg.selection import Selected
from borgui.runner.listed import ListedText
from borgui.runner.spec import pack
from borgui.runner.spool import Spool

DIFFERS = "It came back with other content."
MISSING = "It did not come back."
DAMAGED = "The repository has lost a part of its content."
UNLISTED = "Borg gave no checksum of it."


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored file that waits for borg's checksum. ``source`` as that of :class:`Entry`.

    ``was_other``: what was backed up has the same size and time, but other content now.
    """

    path: str
    source: str
    size: int
    sha256: str
    was_other: bool

    @property
    def pattern(self) -> str:
        """What borg's checksum of its content is listed by; that of a hard link has its first
        name."""
        first = Selected(self.source, shown=True)
        if not self.source or not first.is_pattern:
            return f"pf:{self.source or self.path}"
        return first.argument


class Waiting:
    """Restored files in the archive's order: in memory, or on disk where they are many.

    Later names of hard links stand apart, in :attr:`links`: borg lists their first names, and
    those before them.
    """

    MOST = 1000
    """So many are kept in memory, and asked for one by one instead of with all the archive."""

    def __init__(self, path: Path) -> None:
        self.links: list[Restored] = []
        self._first: list[Restored] = []
        self._more = Spool(path, Restored)
        self._count = 0

    def add(self, restored: Restored) -> None:
        """The next one. Raises OSError."""
        if restored.source:
            self.links.append(restored)
            return
        self._count += 1
        if self._count <= self.MOST:
            self._first.append(restored)
        else:
            self._more.offer(restored)

    def __len__(self) -> int:
        return self._count + len(self.links)

    def __iter__(self) -> Iterator[Restored]:
        """Those with a checksum of their own."""
        yield from self._first
        yield from self._more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self._more.close()


class Tally:
    """What is proved so far."""

    MOST = 10_000
    """Paths that differ are kept up to so many, and then only counted."""

    def __init__(self) -> None:
        self.files = self.size = self.with_source = self.with_checksums = 0
        self.differing: dict[str, str] = {}
        """Why a path is not proved."""
        self.changed: list[str] = []
        """Files whose source was changed without a new time."""
        self._more = 0
        self._digests: dict[str, Restored] = {}

    @property
    def differing_count(self) -> int:
        """All that are not proved."""
        return len(self.differing) + self._more

    def same(self, size: int) -> None:
        """One is byte for byte its source."""
        self._count(size)
        self.with_source += 1

    def linked(self, size: int) -> None:
        """One is another name of a restored file, which has a proof of its own."""
        self._count(size)
        self.with_checksums += 1

    def unproved(self, path: str, reason: str, size: int = 0) -> None:
        """One is not what was backed up."""
        self._count(size)
        if len(self.differing) < self.MOST or path in self.differing:
            self.differing[path] = reason
        else:
            self._more += 1

    def checked(self, restored: Restored, listed: Checksum) -> None:
        """Borg has told a checksum."""
        if listed.is_broken:
            self.unproved(restored.path, DAMAGED, restored.size)
        elif listed.sha256 == restored.sha256:
            self._count(restored.size)
            self._matched(restored)
        else:
            self.unproved(restored.path, DIFFERS, restored.size)
            if restored.path in self.differing:
                self._digests[restored.path] = restored

    def again(self, listed: Checksum) -> None:
        """Borg lists a path once more: sources that overlap are stored twice, and what was
        restored is the last of it."""
        restored = self._digests.get(listed.path)
        if restored is not None and listed.sha256 == restored.sha256 and not listed.is_broken:
            del self._digests[listed.path]
            self._matched(restored)

    def figures(self, named: int) -> dict[str, Any]:
        """For the outcome; at most ``named`` paths."""
        return {
            "nfiles": self.files,
            "restored_size": self.size,
            "compared_with_source": self.with_source,
            "compared_with_checksums": self.with_checksums,
            "differing_count": self.differing_count,
            "differing_b64": [pack(path) for path in islice(self.differing, named)],
        }

    def _count(self, size: int) -> None:
        self.files += 1
        self.size += size

    def _matched(self, restored: Restored) -> None:
        self.differing.pop(restored.path, None)
        self.with_checksums += 1
        if restored.was_other and len(self.changed) < self.MOST:
            self.changed.append(restored.path)


class Checking(ListedText):
    """Holds what borg lists with its checksums against ``waiting``, which is in its order."""

    def __init__(
        self, waiting: Iterable[Restored], links: Iterable[Restored], tally: Tally
    ) -> None:
        self._waiting = iter(waiting)
        self._next = next(self._waiting, None)
        self._links: dict[str, list[Restored]] = {}
        self._reasons: dict[str, str] = {}
        self._tally = tally
        for link in links:
            self._links.setdefault(link.source, []).append(link)

    def shown(self, progress: Progress) -> Progress:
        """With what is proved so far."""
        return replace(
            progress,
            progress_message="Comparing with borg's checksums",
            progress_percent=None,
            nfiles=self._tally.files,
            restored_size=self._tally.size,
        )

    def finish(self) -> None:
        """The listing is whole: what still waits has no checksum."""
        while self._next is not None:
            self._tally.unproved(self._next.path, UNLISTED, self._next.size)
            self._next = next(self._waiting, None)
        for source, links in self._links.items():
            for link in links:
                self._tally.unproved(link.path, self._reasons.get(source, UNLISTED), link.size)

    def take(self, line: str) -> None:
        """Take one entry."""
        listed = listing.parse_checksum(line)
        if listed.kind != "-":
            return
        waits = self._next
        if waits is not None and waits.path == listed.path:
            self._tally.checked(waits, listed)
            self._next = next(self._waiting, None)
        else:
            self._tally.again(listed)
        if self._links:
            self._settle_links(as_borg_prints(listed.path), listed)

    def _settle_links(self, shown: str, listed: Checksum) -> None:
        """Of names that borg prints alike, any may be the first one of a hard link."""
        waiting = self._links.get(shown)
        if not waiting:
            return
        self._reasons[shown] = DAMAGED if listed.is_broken else DIFFERS
        rest = [each for each in waiting if listed.is_broken or each.sha256 != listed.sha256]
        for each in waiting:
            if each not in rest:
                self._tally.checked(each, listed)
        self._links[shown] = rest
