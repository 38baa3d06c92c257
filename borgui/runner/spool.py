"""Rows in a file on disk, in their order: of an archive there may be millions."""

import json
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")


class Spool(Generic[Row]):
    """Rows of the dataclass ``kind``, whose fields are plain JSON; ``path`` must not exist."""

    def __init__(self, path: Path, kind: type[Row]) -> None:
        self._path = path
        self._kind = kind
        self._file = path.open("x")

    def offer(self, row: Row) -> None:
        """Write the next one down. Raises OSError."""
        self._file.write(f"{json.dumps(astuple(row))}\n")

    def __iter__(self) -> Iterator[Row]:
        if not self._file.closed:
            self._file.flush()
        with self._path.open() as lines:
            for line in lines:
                yield self._kind(*json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self.close()

    def close(self) -> None:
        """Write no more; what is there can still be read."""
        self._file.close()
