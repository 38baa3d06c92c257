"""Blocks of names, as the search reads them: written here, and thinned when nodes go."""

import sqlite3
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from borgui.index.schema import NAMES_BLOCK

NO_TIME = -(2**62)
"""The time of an entry whose time is unknown, in a block's bounds."""


@dataclass(slots=True)
class _Block:
    names: list[str] = field(default_factory=list)
    spans: "array[int]" = field(default_factory=lambda: array("q"))
    largest: int = 0
    oldest: int = 2**62
    newest: int = NO_TIME

    def add(
        self, node: int, number: int, names: list[str], sizes: list[int], times: list[int]
    ) -> None:
        self.names += names
        self.spans.extend((node, number, len(names)))
        self.largest = max(self.largest, *sizes)
        self.oldest = min(self.oldest, *times)
        self.newest = max(self.newest, *times)


class NamesWriter:
    """Collects the names of new nodes; all within one write transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._shared = _Block()
        self._next = 0

    def begin(self) -> None:
        """A transaction has begun."""
        found = self._connection.execute("select coalesce(max(id), 0) + 1 from blocks").fetchone()
        self._next = found[0]
        self._shared = _Block()

    @property
    def block(self) -> int:
        """The block that :meth:`add_small` fills."""
        return self._next

    def add_small(self, node: int, names: list[str], sizes: list[int], times: list[int]) -> None:
        """All names of a small node, whose ``block`` is this one."""
        self._shared.add(node, 0, names, sizes, times)
        if len(self._shared.names) >= NAMES_BLOCK:
            self.finish()

    def add_big(
        self, node: int, number: int, names: list[str], sizes: list[int], times: list[int]
    ) -> None:
        """Some names of a big node, from entry ``number`` on."""
        block = _Block()
        block.add(node, number, names, sizes, times)
        if self._shared.names:
            self.finish()  # its number has been given away already
        self._insert(block, node)

    def finish(self) -> None:
        """The transaction is about to end, or the block is full."""
        if self._shared.names:
            self._insert(self._shared, None)
            self._shared = _Block()

    def _insert(self, block: _Block, node: int | None) -> None:
        text = ("\0".join(block.names) + "\0").encode("utf-8", "surrogateescape")
        self._connection.execute(
            "insert into blocks values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._next,
                node,
                len(block.names),
                len(block.names),
                block.spans.tobytes(),
                block.largest,
                block.oldest,
                block.newest,
                text,
            ),
        )
        self._next += 1


def read_spans(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(node, first number, count) of each span of a block."""
    flat = array("q")
    flat.frombytes(data)
    yield from zip(flat[::3], flat[1::3], flat[2::3], strict=True)


def thin_out(connection: sqlite3.Connection, block: int) -> None:
    """Keep only the names of nodes that still have this block; within a transaction."""
    found = connection.execute("select spans, names from blocks where id = ?", (block,)).fetchone()
    if found is None:
        return
    names = found[1].split(b"\0")
    kept_names: list[bytes] = []
    kept_spans: array[int] = array("q")
    position = 0
    for node, number, count in read_spans(found[0]):
        row = connection.execute("select block from nodes where id = ?", (node,)).fetchone()
        if row is not None and row[0] == block:
            kept_names += names[position : position + count]
            kept_spans.extend((node, number, count))
        position += count
    if not kept_names:
        connection.execute("delete from blocks where id = ?", (block,))
        return
    connection.execute(
        "update blocks set total = ?1, live = ?1, spans = ?2, names = ?3 where id = ?4",
        (len(kept_names), kept_spans.tobytes(), b"\0".join(kept_names) + b"\0", block),
    )
