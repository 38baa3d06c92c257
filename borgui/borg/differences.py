"""The lines of ``borg diff --json-lines``: what differs between two archives, entry by entry.

Unlike ``list``, this command of 1.2.4 writes a byte of a name that is not UTF-8 as the lone
surrogate it is inside borg (``\\udcXX``), so these paths are exact; 1.4.5 writes ``?`` here too.
"""

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from borgui.borg.undecodable import is_utf8


class DifferenceError(ValueError):
    """A line that is none of ``borg diff``; the message shows it."""


class Change(StrEnum):
    """A way in which an entry differs. One entry may differ in several."""

    ADDED = "added"
    REMOVED = "removed"
    CONTENT = "content"
    LINK = "link"
    """It is a symbolic link in one archive at least, and leads elsewhere now."""
    MODE = "mode"
    """The type too: a file that became a folder."""
    OWNER = "owner"
    OTHER = "other"
    """Borg says that it differs, but not how; 1.4 so tells of contents whose blocks have only
    changed their order."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry that differs. ``changes`` is empty where only its times do.

    ``kind``: as :class:`borgui.index.Kind` has them, None where borg does not say. ``added`` and
    ``removed``: bytes in blocks that only the second and only the first archive's file has; None
    where borg did not count them. ``modes`` and ``owners``: before and after.
    """

    path: str
    changes: frozenset[Change]
    kind: str | None = None
    added: int | None = None
    removed: int | None = None
    modes: tuple[str, str] | None = None
    owners: tuple[str, str] | None = None
    is_doubtful: bool = False
    """Whether borg may call the content modified only because something else is: 1.2 always does,
    1.4 where it could not count bytes."""
    is_exact: bool = True
    """False where a ``?`` in the path may stand for a byte that is no UTF-8."""

    @property
    def is_odd(self) -> bool:
        """Whether the path is not UTF-8."""
        return not is_utf8(self.path)


_WHOLE: Final = {"added": Change.ADDED, "removed": Change.REMOVED}

_WORDS: Final = {
    "": "file",
    "directory": "folder",
    "link": "symlink",
    "fifo": "fifo",
    "blkdev": "block_device",
    "chrdev": "character_device",
}
"""What follows ``added`` and ``removed``."""

_TIMES: Final = frozenset({"mtime", "ctime"})

_LETTERS: Final = {
    "-": "file",
    "d": "folder",
    "l": "symlink",
    "p": "fifo",
    "b": "block_device",
    "c": "character_device",
}


def parse(line: bytes) -> Difference:
    """Parse one line; raises :class:`DifferenceError`."""
    try:
        told = json.loads(line)
        changes = {str(each["type"]): each for each in told["changes"]}
        return _read(_path(told["path"]), changes)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DifferenceError(f"not a line of borg diff: {line[:200]!r}") from error


def _read(path: str, told: dict[str, dict[str, Any]]) -> Difference:
    found: set[Change] = set()
    kind: str | None = None
    added = removed = None
    for name, each in told.items():
        verb, _, word = name.partition(" ")
        change = _WHOLE.get(verb)
        if change is not None:
            found.add(change)
            kind = _WORDS.get(word, "other")
            size = _count(each.get("size"))
            added, removed = (size, removed) if change is Change.ADDED else (added, size)
    if "changed link" in told:
        found.add(Change.LINK)
        kind = "symlink"
    modified = told.get("modified")
    if modified is not None:
        found.add(Change.CONTENT)
        kind = "file"
        added, removed = _count(modified.get("added")), _count(modified.get("removed"))
    modes, owners = _modes(told.get("mode")), _owners(told.get("owner"))
    if modes:
        found.add(Change.MODE)
        kind = kind or _LETTERS.get(modes[1][:1])
    if owners:
        found.add(Change.OWNER)
    if not found and not told.keys() & _TIMES:
        found.add(Change.OTHER)
    return Difference(
        path,
        frozenset(found),
        kind,
        added,
        removed,
        modes,
        owners,
        is_doubtful=modified is not None and not (added or removed) and len(told) > 1,
    )


def _path(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("no path")
    os.fsencode(value)  # raises UnicodeEncodeError where it stands for no bytes
    return value


def _count(value: object) -> int | None:
    return None if value is None else int(str(value))


def _modes(told: dict[str, Any] | None) -> tuple[str, str] | None:
    return None if told is None else (str(told["old_mode"]), str(told["new_mode"]))


def _owners(told: dict[str, Any] | None) -> tuple[str, str] | None:
    if told is None:
        return None
    before, after = (f"{told[f'{age}_user']}:{told[f'{age}_group']}" for age in ("old", "new"))
    return before, after
