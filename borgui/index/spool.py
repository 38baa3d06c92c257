"""Rows of huge folders on disk, in runs that are written bit by bit and read back the same way."""

import marshal
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

BATCH = 200
"""Rows read at once from each run: with hundreds of runs that is what memory holds."""

Run = list[tuple[int, int]]
"""Where its batches are: (offset, length)."""


class Spool:
    """A file without a name, which is gone with its process. Rows are tuples of plain values."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by close()
        self._end = 0

    def extend(self, run: Run, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows at the end of a run; an empty list is a new one."""
        source = iter(rows)
        while batch := list(islice(source, BATCH)):
            data = marshal.dumps(batch)
            self._file.write(data)
            run.append((self._end, len(data)))
            self._end += len(data)

    def read(self, run: Run) -> Iterator[tuple[Any, ...]]:
        """The rows of a run, as often as wanted."""
        self._file.flush()
        for offset, length in run:
            data = os.pread(self._file.fileno(), length, offset)
            yield from marshal.loads(data)  # noqa: S302  what we wrote; nobody else can reach it

    def close(self) -> None:
        """Give the space back."""
        self._file.close()
