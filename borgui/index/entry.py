"""An entry of an archive as pages and the API show it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from borgui.borg.undecodable import is_utf8

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Kind(StrEnum):
    """What an entry is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARD_LINK = "hard_link"
    """A later name of a file that the archive has under another name, ``link_target``."""
    FIFO = "fifo"
    BLOCK_DEVICE = "block_device"
    CHARACTER_DEVICE = "character_device"
    SOCKET = "socket"
    OTHER = "other"


_KINDS: Final = {
    "-": Kind.FILE,
    "d": Kind.FOLDER,
    "l": Kind.SYMLINK,
    "h": Kind.HARD_LINK,
    "p": Kind.FIFO,
    "b": Kind.BLOCK_DEVICE,
    "c": Kind.CHARACTER_DEVICE,
    "s": Kind.SOCKET,
}
LETTERS: Final = {kind: letter for letter, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Paths are as borg stores them, without a leading slash, with surrogate escapes.

    ``size``: bytes; of a folder with all below; None for a hard link (borg tells it only of the
    first name), unless that was followed. ``files``: of a folder, everything below that is no
    folder. ``mode``: ``rwxr-xr-x``. Mode, owner and ``mtime`` (aware, UTC) are None for a folder
    above a source, which borg does not store. ``link_target`` has ``?`` for each byte that is not
    UTF-8. ``is_broken``: borg replaced lost content by zeros.
    """

    path: str
    kind: Kind
    size: int | None
    files: int | None
    mode: str | None
    uid: int | None
    gid: int | None
    user: str | None
    group: str | None
    mtime: datetime | None
    link_target: str | None
    is_broken: bool

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_odd(self) -> bool:
        """Whether the path holds bytes that are not UTF-8."""
        return not is_utf8(self.path)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry and where the index has it. ``content``: equal where the entry is unchanged."""

    entry: Entry
    child: int | None
    content: tuple[Any, ...]
    """Kind, size, mtime and link target; of a folder what it holds."""
    owner: int | None
    key: tuple[int, str, str]
    """Its place in its folder: (0 for folders and 1 for others, folded name, name)."""


def time_of(microseconds: int) -> datetime:
    """Microseconds since 1970 as an aware time."""
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds_of(moment: datetime) -> int:
    """The other way round; ``moment`` is aware."""
    return (moment - _EPOCH) // _MICROSECOND


def kind_of(number: int) -> Kind:
    """What ``entries.kind`` says."""
    return _KINDS.get(chr(number), Kind.OTHER)


def join(folder: str, name: str) -> str:
    """The path of ``name`` in ``folder``, which is empty for the root."""
    return f"{folder}/{name}" if folder else name
