"""Makes a zip from a tar stream, entry by entry, or takes one file out of it, in a thread.

``tarfile`` asks for data, borg brings it: the thread stands between them with a short queue.
"""

import os
import queue
import stat
import struct
import tarfile
import threading
import time
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final

from borgui.runner.packing import Part

WAITING: Final = 64
"""Pieces of borg's output that may wait for the thread."""

PIECE: Final = 256 * 1024

LEVEL: Final = 6

_UNIX: Final = 3
_FOLDER: Final = 0x10
_LOCAL_HEADER: Final = struct.Struct("<26xHH")
_TIMES: Final = 0x5455

_TYPES: Final = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
}


class _AbortedError(Exception):
    """The thread is to end."""


class BadStreamError(Exception):
    """What borg printed is no tar that can be read; the message says why."""


class FromTar(ABC):
    """A :class:`~borgui.runner.packing.Packer`. ``entries`` counts what came in the tar."""

    def __init__(self, part: Part) -> None:
        self.entries = 0
        self._part = part
        self._pieces: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._aborted = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="from-tar", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Take a piece; waits while the thread has enough to do."""
        self._put(data)

    def finish(self) -> None:
        """Wait for its end."""
        self._put(None)
        self._thread.join()
        self._raise()

    def abort(self) -> None:
        """End the thread."""
        self._aborted.set()
        self._thread.join()

    def _put(self, data: bytes | None) -> None:
        while True:
            self._raise()
            try:
                self._pieces.put(data, timeout=0.25)
            except queue.Full:
                continue
            return

    def _raise(self) -> None:
        if isinstance(self._error, OSError):
            raise self._error
        if self._error is not None:
            raise BadStreamError(str(self._error) or repr(self._error)) from self._error

    # --- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._convert()
        except _AbortedError:
            return
        except Exception as error:
            self._error = error

    def _convert(self) -> None:
        stream = _Stream(self._pieces, self._aborted)
        with tarfile.open(
            fileobj=stream,  # type: ignore[call-overload]
            mode="r|",
            bufsize=PIECE,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            self._take(tar)
        while stream.read(PIECE):
            pass  # what fills up its last block

    def _members(self, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined] # it would keep every entry
            yield member
            self.entries += 1

    @abstractmethod
    def _take(self, tar: tarfile.TarFile) -> None:
        """Read it to its end."""


class Zip(FromTar):
    """All of it, as a zip."""

    def _take(self, tar: tarfile.TarFile) -> None:
        deflated = zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(self._part, "w", deflated, compresslevel=LEVEL) as made:
            writer = _Writer(made, self._part)
            for member in self._members(tar):
                writer.add(tar, member)


class OneFile(FromTar):
    """The content of the one regular file that it holds."""

    def _take(self, tar: tarfile.TarFile) -> None:
        for member in self._members(tar):
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or self.entries:
                raise BadStreamError("more than one regular file")
            while data := content.read(PIECE):
                self._part.write(data)


class _Stream:
    """The queue as a file to read from."""

    def __init__(self, pieces: "queue.Queue[bytes | None]", aborted: threading.Event) -> None:
        self._pieces = pieces
        self._aborted = aborted
        self._rest = b""
        self._ended = False

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, none at the end."""
        while not self._rest and not self._ended:
            piece = self._next()
            self._ended = piece is None
            self._rest = piece or b""
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _next(self) -> bytes | None:
        while not self._aborted.is_set():
            try:
                return self._pieces.get(timeout=0.25)
            except queue.Empty:
                continue
        raise _AbortedError


class _Entry(zipfile.ZipInfo):
    """With its name's bytes as they are; those that are UTF-8 are marked so.

    Python would refuse a name that is none. ``unzip`` on Linux gives the bytes back.
    """

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile asks for it
        raw = os.fsencode(self.filename)
        try:
            raw.decode("ascii")
        except UnicodeDecodeError:
            try:
                raw.decode()
            except UnicodeDecodeError:
                return raw, self.flag_bits
            return raw, self.flag_bits | 0x800
        return raw, self.flag_bits


class _Writer:
    """Adds a tar's entries to a zip."""

    def __init__(self, made: zipfile.ZipFile, part: Part) -> None:
        self._made = made
        self._part = part
        self._files: dict[str, zipfile.ZipInfo] = {}

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """One entry: content and all that a zip can say of it. A hard link becomes a copy."""
        entry = _entry(member)
        if member.isreg():
            self._files[member.name] = entry
            content = tar.extractfile(member)
            with self._made.open(entry, "w") as into:
                while content is not None and (data := content.read(PIECE)):
                    into.write(data)
        elif member.islnk():
            first = self._files.get(member.linkname)
            if first is None:
                raise BadStreamError(f"a link to {member.linkname!r}, which is not there")
            entry.file_size = first.file_size
            pieces = self._content(first)
            with self._made.open(entry, "w") as into:
                for data in pieces:
                    into.write(data)
        elif member.issym():
            self._made.writestr(entry, os.fsencode(member.linkname))
        else:
            self._made.writestr(entry, b"")

    def _content(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        """What was written for an earlier entry, read back."""
        self._part.flush()
        descriptor = self._part.fileno()
        place = entry.header_offset
        name, extra = _LOCAL_HEADER.unpack(os.pread(descriptor, _LOCAL_HEADER.size, place))
        place += _LOCAL_HEADER.size + name + extra
        end = place + entry.compress_size
        inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        while place < end:
            data = os.pread(descriptor, min(PIECE, end - place), place)
            if not data:
                raise BadStreamError("the zip is shorter than what was written to it")
            place += len(data)
            while data:
                yield inflating.decompress(data, PIECE)
                data = inflating.unconsumed_tail
        yield inflating.flush()


def _entry(member: tarfile.TarInfo) -> _Entry:
    is_folder = member.isdir()
    entry = _Entry(member.name + ("/" if is_folder else ""), _date(member.mtime))
    entry.create_system = _UNIX
    kind = _TYPES.get(member.type, stat.S_IFREG)
    entry.external_attr = (kind | stat.S_IMODE(member.mode)) << 16 | (_FOLDER if is_folder else 0)
    # as zipfile itself does: folders and links have nothing to compress
    small = is_folder or not (member.isreg() or member.islnk())
    entry.compress_type = zipfile.ZIP_STORED if small else zipfile.ZIP_DEFLATED
    entry.file_size = member.size if member.isreg() else 0
    seconds = int(member.mtime)
    if -(2**31) <= seconds < 2**31:
        entry.extra = struct.pack("<HHBl", _TIMES, 5, 1, seconds)
    return entry


def _date(moment: float) -> tuple[int, int, int, int, int, int]:
    """As a zip writes it (in UTC): nothing before 1980 or after 2107."""
    inside = min(max(moment, 315532800), 4354819198)
    year, month, day, hour, minute, second = time.gmtime(inside)[:6]
    return year, month, day, hour, minute, second
