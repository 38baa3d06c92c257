"""What a folder is made of on its way into the index."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

BATCH = 1000
"""Rows handled at once."""


class Node(NamedTuple):
    """A folder that is in the index. ``files`` and ``size`` with all below it."""

    id: int
    digest: str
    files: int
    size: int


class Row(NamedTuple):
    """One entry of a folder. ``attributes``: as :mod:`borgui.borg.listing` has them, or empty
    for a folder that borg does not list. ``child``: what is in it, None for nothing.
    """

    folded: str
    name: str
    attributes: str
    child: Node | None

    @property
    def is_folder(self) -> bool:
        """Whether it is one, listed or not."""
        return self.attributes[:1] in ("d", "")


def in_batches(rows: Iterable[Row], size: int = BATCH) -> Iterator[list[Row]]:
    """Cut into lists of ``size``."""
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch
