"""Rows of a huge folder on disk: put away in sorted runs, read back merged."""

import heapq
import marshal
import os
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from borgui.index.nodes import Node

BATCH = 200
"""Rows read at once from each run: with hundreds of runs that is what memory holds."""

Spilled = tuple[str, str, int, str | None, Sequence[Node]]
"""(folded name, name, number of its run, attributes or None, nodes that are its content)."""


class Spool:
    """Sorted runs in a file without a name, which is gone with its process."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed below
        self._runs: list[list[tuple[int, int]]] = []
        self._end = 0

    @property
    def runs(self) -> int:
        """How many there are; the number of the next."""
        return len(self._runs)

    def put(self, rows: Sequence[Spilled]) -> None:
        """Add a run; ``rows`` are sorted."""
        run = []
        for start in range(0, len(rows), BATCH):
            plain = [_plain(row) for row in rows[start : start + BATCH]]
            data = marshal.dumps(plain)
            self._file.write(data)
            run.append((self._end, len(data)))
            self._end += len(data)
        self._runs.append(run)

    def merged(self) -> Iterator[tuple[str, str, str | None, list[Node]]]:
        """All rows in order. Of a name that several runs have, the latest attributes count."""
        sources = [self._read(run) for run in self._runs]
        for (folded, name), group in groupby(heapq.merge(*sources), key=lambda row: row[:2]):
            attributes: str | None = None
            children: list[Node] = []
            for row in group:
                attributes = attributes if row[3] is None else row[3]
                children += [Node(*node) for node in row[4]]
            yield folded, name, attributes, children

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

    def _read(self, run: list[tuple[int, int]]) -> Iterator[tuple[Any, ...]]:
        for offset, length in run:
            data = os.pread(self._file.fileno(), length, offset)
            yield from marshal.loads(data)  # noqa: S302  our own, and no one else can write there


def _plain(row: Spilled) -> tuple[Any, ...]:
    folded, name, run, attributes, children = row
    return folded, name, run, attributes, [tuple(node) for node in children]
