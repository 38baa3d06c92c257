"""Finds entries by name in all archives of a repository, in bounded time."""

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from borgui.index.entry import LETTERS, Kind, join, microseconds_of
from borgui.index.names import NO_TIME, read_spans
from borgui.index.reader import ArchiveIndex, Version
from borgui.index.schema import fold

SECONDS: Final = 3.0
"""How long a search may take before it says that it did not see everything."""

VERSIONS_SECONDS: Final = 1.0
"""How much longer the versions of what was found may take, so that it can be shown."""

MOST: Final = 1000
"""Paths that a search goes through at most; beyond, one should ask more narrowly."""

MOST_PLACES: Final = 1000
"""Paths at which one folder is found; equal folders are stored once, wherever they are. Where a
folder is asked for, so many of each :class:`_Fit`."""

MOST_PARENTS: Final = 10 * MOST_PLACES
"""Folders that hold one folder, in all archives together, of which its paths are made."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    ``text``: part of a name, or a glob (``*``, ``?``, ``[…]``) for the whole of it; case makes no
    difference. With a slash, what stands before the last one must stand in the path. Empty: any
    name. Times are aware, sizes bytes; both bounds are included.
    """

    text: str = ""
    kinds: frozenset[Kind] = frozenset()
    smallest: int | None = None
    largest: int | None = None
    oldest: datetime | None = None
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A path that matches, and its versions in the archives that were asked for."""

    path: str
    versions: list[Version]


@dataclass(frozen=True, slots=True)
class Hits:
    """``has_more``: further paths match. ``is_complete``: False where time ran out before, or where
    a match is at more places than are looked at.

    ``seen``: matching paths gone through, those before the page included; at most ``MOST``.
    """

    hits: list[Hit]
    has_more: bool
    is_complete: bool
    seen: int


def search(
    index: ArchiveIndex,
    query: Query,
    borg_ids: Sequence[str] | None = None,
    *,
    offset: int = 0,
    limit: int = 50,
    seconds: float = SECONDS,
) -> Hits:
    """Look for entries; ``borg_ids`` in order of time, None for all. Newly indexed ones first."""
    if "\0" in query.text:
        return Hits([], has_more=False, is_complete=True, seen=0)
    roots = index.roots(borg_ids)
    ordered = list(borg_ids) if borg_ids is not None else list(roots)
    scan = _Scan(index, query, roots, time.monotonic() + seconds)
    wanted = min(offset + limit, MOST)
    paths: dict[str, None] = {}
    for path in scan.paths():
        paths[path] = None
        if len(paths) > wanted:
            break
    page = list(paths)[offset:wanted]
    hits: list[Hit] = []
    for path in page:
        if time.monotonic() > scan.until + VERSIONS_SECONDS:
            scan.ran_out = True
            break
        hits.append(Hit(path, index.versions(path, ordered)))
    is_complete = not (scan.ran_out or scan.was_cut)
    return Hits(hits, len(paths) > wanted, is_complete, min(len(paths), wanted))


class _Fit(IntEnum):
    """How the path of a folder fits the folder that is asked for."""

    WHOLE = 0
    """It has it, and so has what is below."""
    BEGUN = 1
    """It ends with the first of its parts: what is below may have it."""
    NONE = 2
    """What is below has it only by its own names."""


@dataclass(slots=True)
class _Pattern:
    """``literal``: what every matching name holds, folded; ``whole``: the rest of the question."""

    folder: str
    literal: bytes
    whole: re.Pattern[str] | None = None
    beginnings: tuple[str, ...] = field(init=False)
    """Of the folder, each with the slash it ends with."""

    def __post_init__(self) -> None:
        self.beginnings = tuple(
            self.folder[: slash.end()] for slash in re.finditer("/", self.folder)
        )

    @classmethod
    def of(cls, text: str) -> "_Pattern":
        folder, _, name = fold(text).rpartition("/")
        folder = folder.strip("/")
        if not re.search(r"[*?\[]", name):
            return cls(folder, name.encode("utf-8", "surrogateescape"))
        regex, literals = _translate(name)
        longest = max(literals, key=len, default="")
        return cls(folder, longest.encode("utf-8", "surrogateescape"), re.compile(regex, re.DOTALL))

    def fit(self, folder: str) -> _Fit:
        """How the path of a folder fits."""
        if not self.folder:
            return _Fit.WHOLE
        path = fold(folder)
        if self.folder in path:
            return _Fit.WHOLE
        ended = f"{path}/"
        return _Fit.BEGUN if ended.endswith(self.beginnings) else _Fit.NONE

    def places(self, names: bytes) -> Iterator[int]:
        """The numbers of the names in a block that match, rising."""
        number, counted, position = 0, 0, 0
        while 0 <= (position := names.find(self.literal, position)) < len(names):
            start = names.rfind(b"\0", 0, position) + 1
            end = names.find(b"\0", position)
            number += names.count(b"\0", counted, start)
            counted = start
            name = names[start:end].decode("utf-8", "surrogateescape")
            if self.whole is None or self.whole.fullmatch(name):
                yield number
            position = end + 1


@dataclass(slots=True)
class _Places:
    """Paths of a folder by their :class:`_Fit`, and of which there may be more."""

    paths: tuple[dict[str, None], ...] = field(default_factory=lambda: ({}, {}, {}))
    lacks: set[_Fit] = field(default_factory=set)

    def add(self, path: str, fit: _Fit) -> None:
        kept = self.paths[fit]
        if len(kept) < MOST_PLACES or path in kept:
            kept[path] = None
        else:
            self.lacks.add(fit)

    def lack_below(self, above: "_Places", name: str, pattern: _Pattern) -> None:
        """What ``above`` lacks, this one of ``name`` in it lacks too."""
        if _Fit.WHOLE in above.lacks:
            self.lacks.add(_Fit.WHOLE)
        if _Fit.BEGUN in above.lacks:
            self.lacks.update(_Fit)
        if _Fit.NONE in above.lacks:
            self.lacks.add(pattern.fit(name))


@dataclass(slots=True)
class _Scan:
    """One pass over the names of a repository."""

    index: ArchiveIndex
    query: Query
    roots: dict[str, int]
    until: float
    ran_out: bool = False
    was_cut: bool = False
    """Whether a match may be at further places."""
    _places: dict[int, _Places] = field(default_factory=dict)
    _tops: frozenset[int] = frozenset()

    def paths(self) -> Iterator[str]:
        """Paths of matching entries; the same one may come several times."""
        pattern = _Pattern.of(self.query.text)
        self._tops = frozenset(self.roots.values())
        for block, node, spans, names in self._blocks():
            for number in self._entries(spans, pattern.places(names)):
                if time.monotonic() > self.until:
                    break
                yield from self._paths_of(number, pattern, None if node else block)
            if time.monotonic() > self.until:
                self.ran_out = True
                return

    def _blocks(self) -> sqlite3.Cursor:
        """Id, node, spans and names of the blocks worth reading, one at a time."""
        conditions, values = self._bounds()
        where = f" where {' and '.join(conditions)}" if conditions else ""
        columns = "id, node, spans, names"
        statement = f"select {columns} from blocks{where} order by id desc"  # noqa: S608  ours
        return self.index.connection.execute(statement, values)

    def _bounds(self) -> tuple[list[str], list[Any]]:
        """What a block must have to be worth reading."""
        query = self.query
        conditions: list[str] = []
        values: list[Any] = []
        if query.smallest is not None:
            conditions.append("largest >= ?")
            values.append(query.smallest)
        if query.oldest is not None:
            conditions.append("newest >= ?")
            values.append(microseconds_of(query.oldest))
        if query.newest is not None:
            conditions.append("oldest <= ?")
            values.append(microseconds_of(query.newest))
        return conditions, values

    def _entries(self, spans: bytes, places: Iterator[int]) -> Iterator[tuple[int, int]]:
        """(node, number) of the names at ``places`` of a block."""
        begin = end = node = first = 0
        runs = read_spans(spans)
        for place in places:
            while place >= end:
                node, first, count = next(runs)
                begin, end = end, end + count
            yield node, first + place - begin

    def _paths_of(
        self, key: tuple[int, int], pattern: _Pattern, block: int | None
    ) -> Iterator[str]:
        found = self.index.connection.execute(
            "select name, kind, e.size, mtime from entries e join nodes n on n.id = node"
            " where node = ? and number = ? and (?3 is null or block = ?3)",
            (*key, block),
        ).fetchone()
        if found is None or not self._fits(*found[1:]):
            return
        name = found[0].decode("utf-8", "surrogateescape")
        places = self._folders(key[0], pattern)
        self.was_cut |= _Fit.WHOLE in places.lacks
        for folder in places.paths[_Fit.WHOLE]:
            yield join(folder, name)

    def _fits(self, letter: int, size: int, mtime: int | None) -> bool:
        query = self.query
        if query.kinds and chr(letter) not in {LETTERS.get(kind) for kind in query.kinds}:
            return False
        moment = NO_TIME if mtime is None else mtime
        return not (
            (query.smallest is not None and size < query.smallest)
            or (query.largest is not None and size > query.largest)
            or (query.oldest is not None and moment < microseconds_of(query.oldest))
            or (query.newest is not None and not NO_TIME < moment <= microseconds_of(query.newest))
        )

    def _folders(self, node: int, pattern: _Pattern) -> _Places:
        """The paths that a node has in the archives asked for; upwards, without recursion."""
        waiting = [node]
        while waiting:
            here = waiting[-1]
            if here in self._places:
                waiting.pop()
                continue
            parents = self._parents(here)
            unknown = [parent for parent, _ in parents if parent not in self._places]
            if unknown:
                waiting += unknown
                continue
            self._places[here] = self._gather(here, parents, pattern)
        return self._places[node]

    def _gather(self, node: int, parents: list[tuple[int, str]], pattern: _Pattern) -> _Places:
        places = _Places()
        if node in self._tops:  # the whole of one archive may be a folder of another
            places.add("", pattern.fit(""))
        for parent, name in parents:
            above = self._places[parent]
            places.lack_below(above, name, pattern)
            for fit in _Fit:
                for folder in above.paths[fit]:
                    path = join(folder, name)
                    places.add(path, fit if fit is _Fit.WHOLE else pattern.fit(path))
            if _Fit.WHOLE in places.lacks or time.monotonic() > self.until:
                places.lacks.update(_Fit)
                break
        if len(parents) >= MOST_PARENTS:
            places.lacks.update(_Fit)
        return places

    def _parents(self, node: int) -> list[tuple[int, str]]:
        found = self.index.connection.execute(
            "select node, name from entries where child = ? limit ?", (node, MOST_PARENTS)
        )
        return [(parent, name.decode("utf-8", "surrogateescape")) for parent, name in found]


def _translate(glob: str) -> tuple[str, list[str]]:
    """A glob as a regular expression, and the plain texts that stand in it."""
    chunks = [""]
    literals = [""]
    position = 0
    while position < len(glob):
        char = glob[position]
        end = _set_end(glob, position) if char == "[" else -1
        if end > 0:
            chunks[-1] += _translate_set(glob[position + 1 : end])
            literals.append("")
            position = end
        elif char in "*?":
            chunks += [""] if char == "*" else []
            chunks[-1] += "" if char == "*" else "."
            literals.append("")
        else:
            chunks[-1] += re.escape(char)
            literals[-1] += char
        position += 1
    return _joined(chunks), literals


def _joined(chunks: list[str]) -> str:
    """With anything between them; what follows a star is looked for once, never from further on:
    trying every place for each of many stars would not end in a lifetime."""
    if len(chunks) == 1:
        return chunks[0]
    inner = "".join(f"(?>.*?{chunk})" for chunk in chunks[1:-1])
    return f"{chunks[0]}{inner}.*{chunks[-1]}"


def _set_end(glob: str, start: int) -> int:
    """Where the set that begins at ``start`` ends; -1 where it never does."""
    first = start + 2 if glob[start + 1 : start + 2] == "!" else start + 1
    return glob.find("]", first + 1)


def _translate_set(inner: str) -> str:
    """What stands between brackets; a range that runs backwards holds nothing."""
    negation, chars = ("^", inner[1:]) if inner.startswith("!") else ("", inner)
    parts = []
    while chars:
        if len(chars) > 2 and chars[1] == "-":
            if chars[0] <= chars[2]:
                parts.append(f"{re.escape(chars[0])}-{re.escape(chars[2])}")
            chars = chars[3:]
        else:
            parts.append(re.escape(chars[0]))
            chars = chars[1:]
    if not parts:
        return "." if negation else "(?!)"
    return f"[{negation}{''.join(parts)}]"
