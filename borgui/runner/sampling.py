"""Chooses files of an archive from its listing, as it comes, in bounded memory."""

import random
from dataclasses import dataclass
from typing import Protocol

from borgui.borg import listing
from borgui.borg.listing import Place
from borgui.runner.failure import FailedError
from borgui.runner.listed import ListedText
from borgui.runner.overlapping import Links

BLOCK = 4096
"""What most file systems give a file at least."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file of an archive.

    ``mtime`` in microseconds. A later name of a hard link has its first name, as borg prints it,
    in ``source`` and no size of its own. ``is_broken``: the repository has lost a part of it.
    """

    path: str
    size: int
    mtime: int
    source: str
    is_broken: bool

    @classmethod
    def with_place(cls, line: str) -> "tuple[Entry | None, Place]":
        """From a line of the listing; None for what is no regular file. Raises ListingError."""
        attributes, _, quoted = line.rpartition("\t")
        tail = listing.parse_tail(attributes)
        is_link = tail.head[1:2] == "h"
        source = tail.source if is_link else ""
        path = listing.unquote(quoted)
        place = Place("h" if is_link else tail.head[:1], source, path)
        if tail.head[:1] != "-":
            return None, place
        return cls(path, tail.size, tail.mtime, source, tail.is_broken), place

    @property
    def place(self) -> Place:
        """As an extraction makes it."""
        return Place("h" if self.source else "-", self.source, self.path)

    @property
    def taken(self) -> int:
        """Bytes it takes on a disk."""
        return 0 if self.source else max(-(-self.size // BLOCK), 1) * BLOCK


class Choice(Protocol):
    """Where the files of a listing go."""

    def offer(self, entry: Entry, /) -> None:
        """The next file. Raises OSError."""


class Reservoir:
    """A uniform random sample of all that is offered: each file is in it with the same chance."""

    def __init__(self, size: int, chance: random.Random | None = None) -> None:
        self._size = size
        self._chance = chance or random.SystemRandom()
        self._seen = 0
        self._kept: list[tuple[int, Entry]] = []

    def offer(self, entry: Entry) -> None:
        """Keep it in place of another, or not (Vitter's algorithm R)."""
        self._seen += 1
        if len(self._kept) < self._size:
            self._kept.append((self._seen, entry))
        elif (place := self._chance.randrange(self._seen)) < self._size:
            self._kept[place] = self._seen, entry

    def fitting(self, room: int) -> list[Entry]:
        """The sample in the archive's order, without what does not fit into ``room`` bytes."""
        self._chance.shuffle(self._kept)
        found = []
        for number, entry in self._kept:
            if entry.taken <= room:
                room -= entry.taken
                found.append((number, entry))
        return [entry for _, entry in sorted(found, key=lambda each: each[0])]


class Sampling(ListedText):
    """Offers the regular files of the archive ``borg_id`` to ``choice``, and measures them;
    ``links`` is fed with every entry."""

    def __init__(self, choice: Choice, borg_id: str, links: Links | None = None) -> None:
        self.files = self.taken = 0
        self.links = Links() if links is None else links
        self._choice = choice
        self._borg_id = borg_id

    def take(self, line: str) -> None:
        """Take one entry."""
        entry, place = Entry.with_place(listing.unmarked(line, self._borg_id))
        self.links.add(place)
        if entry is None:
            return
        self.files += 1
        self.taken += entry.taken
        try:
            self._choice.offer(entry)
        except OSError as error:
            message = f"The list of files could not be written: {error.strerror}."
            raise FailedError("disk_full", message) from error
