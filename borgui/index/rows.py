"""Reads entries of nodes: by position, by name, in order."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from borgui.index.entry import Entry, Found, Kind, join, kind_of, time_of
from borgui.index.schema import fold

_COLUMNS: Final = (
    'select e.number, e.name, e.kind, o.mode, o.uid, o.gid, o."user", o."group", e.size, e.mtime,'
    " e.target, e.is_broken, e.child, n.files, e.owner from entries e"
    " left join owners o on o.id = e.owner left join nodes n on n.id = e.child"
)

SCANNED: Final = 256
"""Entries among which a name is looked for one by one; beyond, by halving."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of a node: how many entries are directly in it, how many of these are folders."""

    id: int
    entries: int
    folders: int


class Rows:
    """The nodes of an open index."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def facts(self, node: int) -> Facts:
        """Of a node that exists."""
        found = self._connection.execute(
            "select entries, folders from nodes where id = ?", (node,)
        ).fetchone()
        return Facts(node, *found)

    def between(self, node: int, folder: str, first: int, end: int) -> list[Found]:
        """The entries at positions ``first`` to ``end - 1``; ``folder`` is the node's path."""
        found = self._connection.execute(
            f"{_COLUMNS} where e.node = ? and e.number >= ? and e.number < ? order by e.number",
            (node, first, end),
        )
        return [_found(row, folder) for row in found]

    def all(self, node: int, folder: str) -> Iterator[Found]:
        """Every entry, in order."""
        start = 0
        while batch := self.between(node, folder, start, start + 1000):
            yield from batch
            start += 1000

    def at(self, node: int, folder: str, numbers: Sequence[int]) -> list[Found]:
        """The entries at these positions, in this order."""
        marks = ", ".join("?" * len(numbers))
        found = self._connection.execute(
            f"{_COLUMNS} where e.node = ? and e.number in ({marks})", (node, *numbers)
        )
        by_number = {row[0]: _found(row, folder) for row in found}
        return [by_number[number] for number in numbers]

    def sorted(self, node: Facts, folder: str, order: str, offset: int, limit: int) -> list[Found]:
        """A page of a small folder; ``order`` is one of ours."""
        found = self._connection.execute(
            f"{_COLUMNS} where e.node = ? order by e.number >= ?, {order} limit ? offset ?",
            (node.id, node.folders, limit, offset),
        )
        return [_found(row, folder) for row in found]

    def stored_order(self, node: int, sort: str, first: int, end: int, block: int) -> list[int]:
        """Positions ``first`` to ``end - 1`` of a big folder's stored order."""
        found = self._connection.execute(
            "select numbers from orders where node = ? and sort = ? and block between ? and ?"
            " order by block",
            (node, sort, first // block, max(first, end - 1) // block),
        )
        numbers = memoryview(b"".join(row[0] for row in found)).cast("I")
        start = first // block * block
        return numbers[first - start : end - start].tolist()

    def find(self, node: int, folder: str, name: str) -> Found | None:
        """The entry of this name."""
        facts = self.facts(node)
        if facts.entries <= SCANNED:
            return self._scan(node, folder, name)
        number = self._halve(node, name, 0, facts.folders)
        if number is None:
            number = self._halve(node, name, facts.folders, facts.entries)
        return None if number is None else self.at(node, folder, [number])[0]

    def child(self, node: int, name: str) -> int | None:
        """The node of the folder of this name, None where there is none or it is empty."""
        found = self.find(node, "", name)
        return None if found is None else found.child

    def _scan(self, node: int, folder: str, name: str) -> Found | None:
        found = self._connection.execute(
            f"{_COLUMNS} where e.node = ? and e.name = ? order by e.number limit 1",
            (node, _encode(name)),
        ).fetchone()
        return None if found is None else _found(found, folder)

    def _halve(self, node: int, name: str, low: int, high: int) -> int | None:
        wanted = (fold(name), name)
        end = high
        while low < high:
            middle = (low + high) // 2
            there = self._name(node, middle)
            if (fold(there), there) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < end and self._name(node, low) == name else None

    def _name(self, node: int, number: int) -> str:
        found = self._connection.execute(
            "select name from entries where node = ? and number = ?", (node, number)
        ).fetchone()
        return _decode(found[0])


def _found(row: tuple[Any, ...], folder: str) -> Found:
    (_, stored, letter, mode, uid, gid, user, group, size, mtime, target, broken, child, files,
     owner) = row  # fmt: skip
    name = _decode(stored)
    kind = kind_of(letter)
    is_folder = kind is Kind.FOLDER
    entry = Entry(
        path=join(folder, name),
        kind=kind,
        size=None if kind is Kind.HARD_LINK else size,
        files=(files or 0) if is_folder else None,
        mode=mode,
        uid=uid,
        gid=gid,
        user=user or None,
        group=group or None,
        mtime=None if mtime is None else time_of(mtime),
        link_target=target,
        is_broken=bool(broken),
    )
    content = (letter, child) if is_folder else (letter, size, mtime, target, broken)
    return Found(entry, child, content, owner, (int(not is_folder), fold(name), name))


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
