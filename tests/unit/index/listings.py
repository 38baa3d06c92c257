"""Listings as borg prints them, and the plain model of what an index must answer to them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from borgui.borg.listing import Attributes, render
from borgui.index import IndexWriter
from borgui.index.schema import fold

Line = tuple[str, Attributes]
"""Path and what borg says of it."""


def attributes(
    kind: str = "-",
    *,
    size: int = 0,
    mtime: int = 1_700_000_000_000_000,
    source: str = "",
    user: str = "root",
    is_broken: bool = False,
) -> Attributes:
    """Of a plain item."""
    return Attributes(
        kind, "rw-r--r--", 0, 0, user, "root", 0 if kind in "dh" else size, mtime, is_broken, source
    )


def printed(lines: Iterable[Line]) -> bytes:
    """As borg prints them."""
    return "".join(f"{render(item)}\t{path!r}\n" for path, item in lines).encode()


def write(path: Path, borg_id: str, lines: Iterable[Line], piece: int = 65536) -> None:
    """Index an archive, fed in pieces of that many bytes."""
    data = printed(lines)
    with IndexWriter(path, borg_id) as writer:
        for start in range(0, len(data), piece):
            writer.feed(data[start : start + piece])
        writer.finish()


class Model:
    """An archive as a dictionary: all that the index should know, found the slow way."""

    def __init__(self, lines: Sequence[Line]) -> None:
        latest = {path: item for path, item in lines if path != "."}
        folders = {""} | {path for path, item in latest.items() if item.kind == "d"}
        for path in latest:
            parts = path.split("/")
            folders |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        self.folders = folders
        self.items: dict[str, Attributes | None] = {path: None for path in folders if path}
        for path, item in latest.items():
            if (path in folders) == (item.kind == "d"):
                self.items[path] = item

    def names(self, folder: str) -> list[str]:
        """What is directly in a folder: folders first, then by folded name."""
        here = [path for path in self.items if path.rpartition("/")[0] == folder]
        names = [path.rpartition("/")[2] for path in here]
        return sorted(names, key=lambda name: self._key(folder, name))

    def size(self, path: str) -> int:
        """Of a file, or of all below a folder."""
        return sum(
            item.size
            for each, item in self.items.items()
            if item is not None and (each == path or each.startswith(f"{path}/") or not path)
        )

    def files(self, folder: str) -> int:
        """Everything below that is no folder."""
        return sum(
            path not in self.folders and (path.startswith(f"{folder}/") or not folder)
            for path in self.items
        )

    def _key(self, folder: str, name: str) -> tuple[bool, str, str]:
        path = f"{folder}/{name}" if folder else name
        return path not in self.folders, fold(name), name
