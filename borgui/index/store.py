"""Puts folders into the index file: only those that it does not have yet."""

import hashlib
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from borgui.borg.listing import Attributes, parse_head, parse_tail, render
from borgui.index.names import NO_TIME, NamesWriter
from borgui.index.nodes import Node, Row
from borgui.index.schema import BIG, NAMES_BLOCK, ORDER_BLOCK

DIGEST_BYTES: Final = 20

ORDERS: Final = {
    "size": "number >= ?, size, number",
    "mtime": "number >= ?, mtime, number",
}
"""Stored for big folders: folders first, then the column, then the name."""

_FOLDER: Final = ord("d")

_ENTRY: Final = "insert into entries values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_ROWS: Final = (
    'select name, kind, mode, uid, gid, "user", "group", e.size, mtime, is_broken, target,'
    "  n.id, n.digest, n.files, n.size from entries e"
    "  left join owners o on o.id = owner left join nodes n on n.id = child"
    " where node = ? and number >= ? and number < ? order by number"
)
"""Read in pieces, so that no statement stays open while something is written."""

_KNOWN_OWNERS: Final = 10_000
"""Owners kept in memory; archives have a handful."""


class Store:
    """One writer's view of the index. Changes are committed by :meth:`commit`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._names = NamesWriter(connection)
        self._owners: dict[str, tuple[int, int]] = {}

    def put(self, rows: Callable[[], Iterable[Row]]) -> Node:
        """Return the node that holds ``rows`` (sorted, folders first), made if it is new.

        ``rows`` is called once to name them by a digest, and again if they must be written.
        """
        digest = digest_of(rows())
        node = self._find(digest)
        if node is None and self._begin():
            node = self._find(digest)  # what another writer has made meanwhile
        return node or self._write(digest, rows)

    def commit(self) -> None:
        """End the write transaction, if there is one."""
        if self._connection.in_transaction:
            self._names.finish()
            self._connection.execute("commit")

    def rows(self, node: int) -> Iterator[Row]:
        """What a node holds, in order, as it was put."""
        start = 0
        while batch := self._connection.execute(_ROWS, (node, start, start + 1000)).fetchall():
            start += 1000
            for name, kind, mode, *values, broken, target, child, digest, files, size in batch:
                text = ""
                if mode is not None:
                    uid, gid, user, group, own_size, mtime = values
                    item = Attributes(
                        chr(kind), mode, uid, gid, user, group, own_size, mtime, bool(broken),
                        target or "",
                    )  # fmt: skip
                    text = render(item._replace(size=0) if kind == _FOLDER else item)
                held = None if child is None else Node(child, digest.hex(), files, size)
                yield Row("", name.decode("utf-8", "surrogateescape"), text, held)

    def archive(self, borg_id: str, root: Node, entries: int, made_at: int) -> None:
        """Make an archive known, and commit. One known before is replaced."""
        self._begin()
        self._connection.execute(
            "update nodes set refs = refs - 1"
            " where id = (select root from archives where borg_id = ?)",
            (borg_id,),
        )
        self._connection.execute(
            "insert or replace into archives values (?, ?, ?, ?)",
            (borg_id, root.id, entries, made_at),
        )
        self._connection.execute("update nodes set refs = refs + 1 where id = ?", (root.id,))
        self.commit()

    def _begin(self) -> bool:
        """Begin the write transaction; False where it has begun before."""
        if self._connection.in_transaction:
            return False
        self._connection.execute("begin immediate")
        self._names.begin()
        return True

    def _find(self, digest: str) -> Node | None:
        found = self._connection.execute(
            "select id, files, size from nodes where digest = ?", (bytes.fromhex(digest),)
        ).fetchone()
        return None if found is None else Node(found[0], digest, found[1], found[2])

    def _write(self, digest: str, rows: Callable[[], Iterable[Row]]) -> Node:
        source = iter(rows())
        first = list(islice(source, BIG + 1))
        is_big = len(first) > BIG
        cursor = self._connection.execute(
            "insert into nodes values (null, ?, 0, 0, 0, 0, 0, ?)",
            (bytes.fromhex(digest), None if is_big else self._names.block),
        )
        node = int(cursor.lastrowid or 0)
        total = _Total()
        batch = first
        while batch:
            self._write_batch(node, batch, total, is_big=is_big)
            batch = list(islice(source, NAMES_BLOCK))
        self._connection.execute(
            "update nodes set entries = ?, folders = ?, files = ?, size = ? where id = ?",
            (total.entries, total.folders, total.files, total.size, node),
        )
        if is_big:
            self._write_orders(node, total.folders)
        return Node(node, digest, total.files, total.size)

    def _write_batch(self, node: int, rows: list[Row], total: "_Total", *, is_big: bool) -> None:
        number = total.entries
        values = [self._values(node, number + place, row) for place, row in enumerate(rows)]
        self._connection.executemany(_ENTRY, values)
        children = [(row.child.id,) for row in rows if row.child is not None]
        if children:
            self._connection.executemany("update nodes set refs = refs + 1 where id = ?", children)
        total.add(rows, values)
        if rows:
            sizes = [value[5] for value in values]
            times = [NO_TIME if value[6] is None else value[6] for value in values]
            names = [row.folded for row in rows]
            if is_big:
                self._names.add_big(node, number, names, sizes, times)
            else:
                self._names.add_small(node, names, sizes, times)

    def _values(self, node: int, number: int, row: Row) -> tuple[Any, ...]:
        """A row of ``entries``."""
        _, name, attributes, child = row
        held = None if child is None else child.id
        stored_name = name.encode("utf-8", "surrogateescape")
        if not attributes:
            size = child.size if child else 0
            return node, number, stored_name, _FOLDER, None, size, None, held, None, 0
        head, size, mtime, is_broken, source = parse_tail(attributes)
        kind, owner = self._owners.get(head) or self._owner(head)
        if kind == _FOLDER:
            size = child.size if child else 0
        return (
            node, number, stored_name, kind, owner, size, mtime, held,
            source or None, int(is_broken),
        )  # fmt: skip

    def _owner(self, head: str) -> tuple[int, int]:
        """The kind, and the id of mode and owner, of the first part of an item's attributes."""
        kind, *key = parse_head(head)
        found = None
        while found is None:
            found = self._connection.execute(
                'select id from owners where (mode, uid, gid, "user", "group") = (?, ?, ?, ?, ?)',
                key,
            ).fetchone()
            if found is None:
                self._connection.execute("insert into owners values (null, ?, ?, ?, ?, ?)", key)
        if len(self._owners) >= _KNOWN_OWNERS:
            self._owners.clear()
        self._owners[head] = (ord(kind), found[0])
        return self._owners[head]

    def _write_orders(self, node: int, folders: int) -> None:
        for sort, order in ORDERS.items():
            found = self._connection.execute(
                f"select number from entries where node = ? order by {order}",  # noqa: S608  ours
                (node, folders),
            )
            block = 0
            while batch := found.fetchmany(ORDER_BLOCK):
                numbers = array("I", [number for (number,) in batch])
                self._connection.execute(
                    "insert into orders values (?, ?, ?, ?)",
                    (node, sort, block, numbers.tobytes()),
                )
                block += 1


class _Total:
    """What a node comes to."""

    def __init__(self) -> None:
        self.entries = self.folders = self.files = self.size = 0

    def add(self, rows: list[Row], values: list[tuple[Any, ...]]) -> None:
        folders = sum(row.is_folder for row in rows)
        self.entries += len(rows)
        self.folders += folders
        self.files += len(rows) - folders
        self.files += sum(row.child.files for row in rows if row.child is not None)
        self.size += sum(value[5] for value in values)


def digest_of(rows: Iterable[Row]) -> str:
    """The name of a node, in hex. Names hold no slash, and attributes no NUL."""
    made = hashlib.blake2b(digest_size=DIGEST_BYTES)
    source = iter(rows)
    while batch := list(islice(source, 1000)):
        text = "".join(
            [
                f"{name}/{attributes}\0{child.digest}\0" if child else f"{name}/{attributes}\0\0"
                for _, name, attributes, child in batch
            ]
        )
        made.update(text.encode("utf-8", "surrogateescape"))
    return made.hexdigest()
