"""What borg's warnings during ``extract`` mean for the file they name.

Borg ends with 1 whether a time stamp could not be set or the disk was full, so each is read.
Texts as of 1.2.4 and 1.4.5 (the latter names a class, too).
"""

import errno
import re
from enum import StrEnum
from typing import Final

from borgui.borg.events import LogMessage
from borgui.borg.selection import is_never_matched


class Loss(StrEnum):
    """What a warning says is lost."""

    NOTHING = "nothing"
    METADATA = "metadata"
    """The file is there, but not all of its owner, modes, attributes or times."""
    FILE = "file"
    """It is not there, or only a part of it."""
    CONTENT = "content"
    """It is there with zeros in place of what the repository has lost."""
    ALL = "all"
    """The destination can take nothing more: each further file would fail alike."""
    UNMATCHED = "unmatched"
    """A selected path is not in the archive."""


_XATTR: Final = "when setting extended attribute "

_FAILED: Final = re.compile(
    r"(?P<path>.+?): (?:(?P<op>[a-z_]+): )?\[Errno (?P<number>\d+)\] ", re.DOTALL
)

_DAMAGED: Final = re.compile(
    r"(?P<path>.+): (?:File has damaged|Size inconsistency|backup error)", re.DOTALL
)

_FATAL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})

_CODES: Final = {
    errno.ENOSPC: ("disk_full", "The disk is full."),
    errno.EDQUOT: ("disk_full", "The disk quota is used up."),
    errno.EROFS: ("destination_read_only", "The file system there is mounted read-only."),
    errno.EIO: ("destination_broken", "The disk there reports errors (input/output error)."),
}


def loss(event: LogMessage) -> Loss:
    """What a line of ``extract``'s log says is lost."""
    if event.levelname != "WARNING":
        return Loss.NOTHING
    if is_never_matched(event.message):
        return Loss.UNMATCHED
    if event.message.startswith(_XATTR):
        return Loss.METADATA  # ext4 says "no space" where an attribute is too long for it
    failed = _FAILED.match(event.message)
    if failed:
        if int(failed["number"]) in _FATAL:
            return Loss.ALL
        return Loss.METADATA if failed["op"] == "attrs" else Loss.FILE
    return Loss.CONTENT if _DAMAGED.match(event.message) else Loss.NOTHING


def path_of(event: LogMessage) -> str | None:
    """The path a warning names: as stored in the archive and as borg prints it."""
    if event.message.startswith(_XATTR):
        return None
    found = _FAILED.match(event.message) or _DAMAGED.match(event.message)
    return found["path"] if found else None


def fatal(number: int) -> tuple[str, str] | None:
    """Code and sentence for an errno after which nothing more can be written."""
    return _CODES.get(number)


def fatal_of(event: LogMessage) -> tuple[str, str] | None:
    """:func:`fatal` for a warning that says so."""
    failed = _FAILED.match(event.message)
    return fatal(int(failed["number"])) if failed and loss(event) is Loss.ALL else None
