"""Holds one restored file against its source, or takes its checksum."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PIECE = 1024 * 1024
NEAR = 2000
"""Nanoseconds: borg's listing rounds times to microseconds, by way of a floating-point number."""

_WALKED = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Source(StrEnum):
    """What was found of the file that had been backed up."""

    SAME = "same"
    """Byte for byte the restored one."""
    OTHER = "other"
    """Of the same size and time, but with other content."""
    GONE = "gone"
    """It is not there any more, was changed, or cannot be read: it proves nothing."""


@dataclass(frozen=True, slots=True)
class Compared:
    """``sha256`` of the restored file, in hex; "" where the source proves it."""

    size: int
    source: Source
    sha256: str


def compare(
    root: str,
    path: str,
    source: str | None,
    size: int | None,
    mtime: int,
    tick: Callable[[int], None],
) -> Compared | None:
    """Compare the file restored to ``path`` below ``root`` with ``source``, if that is what was
    backed up. No link on the way to the restored one is followed.

    ``size`` (None: that of the restored file) and ``mtime`` (microseconds) are the archive's.
    ``tick`` is called with each number of bytes read; what it raises ends the comparison. None
    where no regular file was restored. Raises OSError when the restored file cannot be read.
    """
    with ExitStack() as stack:
        file = _open(root, path)
        if file is None:
            return None
        stack.callback(os.close, file)
        length = os.fstat(file).st_size
        found = Source.GONE
        if source is not None and size in {None, length}:
            found = _against(file, source, length, mtime * 1000, tick)
        digest = "" if found is Source.SAME else _digest(file, tick)
        return Compared(length, found, digest)


def _open(root: str, path: str) -> int | None:
    """A regular file of ours, readable or not; None where there is none, or a link leads to it."""
    try:
        file = _find(root, path)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return None
        raise
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return None
        itself = f"/proc/self/fd/{file}"  # this very file, whatever has its name by now
        if os.geteuid() and not found.st_mode & stat.S_IRUSR:
            Path(itself).chmod(stat.S_IRUSR)
        return os.open(itself, _FLAGS & ~os.O_NOFOLLOW)
    finally:
        os.close(file)


def _find(root: str, path: str) -> int:
    """What is at ``path``, not opened for anything; raises OSError, ENOTDIR or ELOOP for a link."""
    *folders, name = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in folders or name == "..":
        raise NotADirectoryError(errno.ENOTDIR, "It leads out of the folder", path)
    where = os.open(root, _WALKED | os.O_DIRECTORY)
    try:
        for part in folders:
            further = os.open(part, _WALKED | os.O_DIRECTORY, dir_fd=where)
            os.close(where)
            where = further
        return os.open(name, _WALKED, dir_fd=where)
    finally:
        os.close(where)


def _against(file: int, source: str, size: int, mtime: int, tick: Callable[[int], None]) -> Source:
    """As it was before the reading and after: only then is it what was backed up."""
    try:
        # Looked at before it is opened: opening a device may do something.
        if not _is_as_backed_up(os.lstat(source), size, mtime):
            return Source.GONE
        other = os.open(source, _FLAGS)
    except OSError:
        return Source.GONE
    try:
        if not _is_as_backed_up(os.fstat(other), size, mtime):
            return Source.GONE
        is_same = _is_same(file, other, size, tick)
        if is_same is None or not _is_as_backed_up(os.fstat(other), size, mtime):
            return Source.GONE
        return Source.SAME if is_same else Source.OTHER
    finally:
        os.close(other)


def _is_as_backed_up(found: os.stat_result, size: int, mtime: int) -> bool:
    is_regular = stat.S_ISREG(found.st_mode)
    return is_regular and found.st_size == size and abs(found.st_mtime_ns - mtime) <= NEAR


def _is_same(file: int, other: int, size: int, tick: Callable[[int], None]) -> bool | None:
    """None where the other one cannot be read."""
    place = 0
    while place < size:
        ours = os.pread(file, PIECE, place)
        try:
            theirs = os.pread(other, PIECE, place)
        except OSError:
            return None
        count = min(len(ours), len(theirs))  # a file system may give less than asked for
        if not count or ours[:count] != theirs[:count]:
            return False
        place += count
        tick(count)
    return True


def _digest(file: int, tick: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    place = 0
    while piece := os.pread(file, PIECE, place):
        digest.update(piece)
        place += len(piece)
        tick(len(piece))
    return digest.hexdigest()
