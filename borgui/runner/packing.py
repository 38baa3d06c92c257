"""Writes what borg prints to a download's file: as it comes, compressed, or as a zip."""

import errno
import io
import os
from pathlib import Path
from typing import Protocol, Self

import zstandard

RESERVE = 256 * 1024 * 1024
"""Bytes that stay free in the data folder, or a twentieth of a small file system: a download that
filled it would stop every other job and the database too."""

LOOK = 4 * 1024 * 1024
"""Bytes written between two looks at the free space."""

LEVEL = 3
"""Of zstd: its own default."""


class Part(io.BufferedRandom):
    """A file that is being written, and is removed unless it was kept. OSError when space ends."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._raw_file = io.FileIO(path, "x+", opener=_private)
        super().__init__(self._raw_file, 1024 * 1024)
        self._path = path
        self._unseen = LOOK
        self._is_kept = False

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """As any file does; looks at the free space now and then."""
        self._unseen += len(data)
        if self._unseen >= LOOK:
            self._unseen = 0
            if room(self._path.parent) <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)

    def keep(self, path: Path) -> int:
        """It is whole: let it be found at ``path``. Returns its size."""
        self.flush()
        os.fsync(self.fileno())
        self._path.replace(path)
        self._is_kept = True
        return path.stat().st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        if not self._is_kept:
            self._path.unlink(missing_ok=True)
        # not by our own close: that would write what is buffered, to a disk that may be full
        self._raw_file.close()


def room(folder: Path) -> int:
    """Bytes that a download may still take there; below 0 when it takes too much already."""
    found = os.statvfs(folder)
    reserve = min(RESERVE, found.f_blocks * found.f_frsize // 20)
    return found.f_bavail * found.f_frsize - reserve


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


class Packer(Protocol):
    """Takes borg's output."""

    def write(self, data: bytes) -> None:
        """Take a piece. Raises OSError, and what it says of an output that makes no sense."""

    def finish(self) -> None:
        """There is no more of it. Raises alike."""

    def abort(self) -> None:
        """Nothing more is wanted; may follow :meth:`finish`."""


class Plain:
    """As it comes."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def write(self, data: bytes) -> None:
        self._part.write(data)

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


class Zstd:
    """Compressed, with a checksum."""

    def __init__(self, part: Part) -> None:
        self._part = part
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._stream = compressor.compressobj()

    def write(self, data: bytes) -> None:
        self._put(self._stream.compress(data))

    def finish(self) -> None:
        self._put(self._stream.flush())

    def abort(self) -> None:
        pass

    def _put(self, data: bytes) -> None:
        if data:
            self._part.write(data)
