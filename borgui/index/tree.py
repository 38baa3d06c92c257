"""Builds the nodes of an archive from the lines of ``borg list``, in bounded memory.

Borg lists depth first, a folder before what is in it, so a folder can be put away as soon as a
line stands elsewhere. Where several sources or a list of paths bring a folder back later, it is
built again, and what it had before is joined to it when its parent is put away.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from borgui.borg.listing import ListingError, unquote
from borgui.index.nodes import Node, Row
from borgui.index.schema import fold
from borgui.index.spool import Run, Spool
from borgui.index.store import Store

HELD = 50_000
"""Entries of open folders that memory holds, about 300 bytes each; the largest folder spills."""

PILE = 16
"""Parts of one folder that are joined at once, so that a list in no order costs n log n."""

_FOLDERS = ("d", "")
"""How the attributes of a folder begin: it may be one that borg does not list."""


@dataclass(slots=True)
class _Folder:
    """One that is being read. What it held when it became too large is in ``runs``."""

    name: str
    rows: dict[str, str] = field(default_factory=dict)
    """Attributes by name, of everything listed so far; the latest counts."""
    children: dict[str, list[tuple[int, Node]]] = field(default_factory=dict)
    """What folders in it hold: (how often joined, node), oldest first."""
    runs: list[Run] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows) + len(self.children)


class Tree:
    """All folders of one archive, from the root to the one that is being read."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._spool = Spool(folder)
        self._path = ""
        self._open = [_Folder("")]

    def add(self, lines: Iterable[str]) -> None:
        """Take lines of ``borg list``, without their ends. Raises :class:`ListingError`."""
        rows = self._open[-1].rows
        for line in lines:
            attributes, _, quoted = line.rpartition("\t")
            path = quoted[1:-1] if "\\" not in quoted else unquote(quoted)
            folder, _, name = path.rpartition("/")
            if folder != self._path:
                self._enter(folder)
                rows = self._open[-1].rows
            if not name or not attributes:
                raise ListingError(f"not a line of borg list: {line[:200]!r}")
            if path != ".":  # the folder borg was started in, as the source "."
                rows[name] = attributes
        self._make_room()

    def finish(self) -> Node:
        """The root."""
        while len(self._open) > 1:
            self._leave()
        return self._seal(self._open[0])

    def close(self) -> None:
        """Give the space on disk back."""
        self._spool.close()

    def _enter(self, path: str) -> None:
        names = [name for name in path.split("/") if name]
        common = 0
        for folder, name in zip(self._open[1:], names, strict=False):
            if folder.name != name:
                break
            common += 1
        while len(self._open) > common + 1:
            self._leave()
        self._open += [_Folder(name) for name in names[common:]]
        self._path = path

    def _leave(self) -> None:
        folder = self._open.pop()
        self._add_child(self._open[-1], folder.name, self._seal(folder))

    def _add_child(self, folder: _Folder, name: str, node: Node) -> None:
        pile = folder.children.setdefault(name, [])
        pile.append((0, node))
        while len(pile) >= PILE and pile[-PILE][0] == pile[-1][0]:
            joined = self._join([each for _, each in pile[-PILE:]])
            pile[-PILE:] = [(pile[-1][0] + 1, joined)]

    def _make_room(self) -> None:
        if sum(map(len, self._open)) > HELD:
            while sum(map(len, self._open)) > HELD // 2:
                self._spill(max(self._open, key=len))

    def _spill(self, folder: _Folder) -> None:
        number = len(folder.runs)
        run: Run = []
        self._spool.extend(run, sorted(_plain(folder, number), key=_order))
        folder.runs.append(run)
        folder.rows.clear()
        folder.children.clear()

    def _seal(self, folder: _Folder) -> Node:
        if folder.runs:
            return self._seal_spilled(folder)
        folders: list[Row] = []
        others: list[Row] = []
        for name, pile in folder.children.items():
            attributes = folder.rows.pop(name, "")
            child = self._join([node for _, node in pile])
            folders.append(Row(fold(name), name, _of_folder(attributes), child))
        for name, attributes in folder.rows.items():
            row = Row(fold(name), name, attributes, None)
            (folders if attributes[0] == "d" else others).append(row)
        folders.sort()
        others.sort()
        folders += others
        return self._store.put(lambda: folders)

    def _seal_spilled(self, folder: _Folder) -> Node:
        """The same by way of the disk: merge the runs, then part folders from others."""
        self._spill(folder)
        folders: Run = []
        others: Run = []
        merged = heapq.merge(*(self._spool.read(run) for run in folder.runs))
        rows = self._combine(merged)
        while batch := list(islice(rows, 1000)):
            self._spool.extend(folders, [row for row in batch if row[2][:1] in _FOLDERS])
            self._spool.extend(others, [row for row in batch if row[2][:1] not in _FOLDERS])
        read = self._spool.read

        def stored() -> Iterator[Row]:
            for folded, name, attributes, child in chain(read(folders), read(others)):
                yield Row(folded, name, attributes, Node(*child) if child else None)

        return self._store.put(stored)

    def _combine(self, merged: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """One :class:`Row` a name, as a plain tuple: what was said last, and all that it held."""
        rows = iter(merged)
        row = next(rows, None)
        while row is not None:
            folded, name, _, attributes, children = row
            held = list(children)
            while (row := next(rows, None)) is not None and row[1] == name:
                attributes = row[3] or attributes
                held += row[4]
            if held:
                attributes = _of_folder(attributes)
                node = tuple(self._join([Node(*child) for child in held]))
                yield folded, name, attributes, node
            else:
                yield folded, name, attributes, None

    def _join(self, nodes: Sequence[Node]) -> Node:
        """One node with everything that ``nodes`` hold; of equal names the later one counts."""
        distinct = list(dict.fromkeys(nodes))
        if len(distinct) == 1:
            return distinct[0]
        joined = _Folder("")
        for node in nodes:
            for row in self._store.rows(node.id):
                if row.attributes:
                    joined.rows[row.name] = row.attributes
                if row.child is not None:
                    self._add_child(joined, row.name, row.child)
                if len(joined) > HELD:
                    self._spill(joined)
        return self._seal(joined)


def _plain(folder: _Folder, run: int) -> Iterator[tuple[Any, ...]]:
    """(folded, name, run, attributes or empty, nodes): the run keeps equal names in order."""
    for name in folder.rows.keys() | folder.children.keys():
        children = [tuple(node) for _, node in folder.children.get(name, ())]
        yield fold(name), name, run, folder.rows.get(name, ""), children


def _order(row: tuple[Any, ...]) -> tuple[str, str]:
    return row[0], row[1]


def _of_folder(attributes: str) -> str:
    """Empty for what was listed as something else, but holds entries."""
    return attributes if attributes[:1] == "d" else ""
