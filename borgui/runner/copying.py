"""Copies a tree to another file system with all that belongs to it: what rename(2) cannot do.

The copy is made in a staging folder over there, so that it appears in its place at once.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from borgui.runner import filesystem
from borgui.runner.filesystem import FOLDER

PIECE = 8 * 1024 * 1024
"""Bytes between two looks at what else may have happened."""


class Copier:
    """Copies into the open folder ``target``; hard links among what it copies stay links.

    ``tick`` is called often and may raise. ``lost`` hears of metadata that could not be set.
    """

    def __init__(
        self, target: int, tick: Callable[[], None], lost: Callable[[bytes, OSError], None]
    ) -> None:
        self.target = target
        self._tick = tick
        self._lost = lost
        self._count = 0
        self._links: dict[tuple[int, int], bytes] = {}
        self._flags: list[tuple[bytes, bytes, int]] = []
        """Of files with several names, which get them last: an immutable one takes no link."""

    def copy(self, source: int, name: bytes) -> bytes:
        """Copy ``name`` of the open folder ``source``; returns what the copy is called."""
        self._count += 1
        made = b"copy-%d" % self._count
        self._copy(source, name, self.target, made)
        return made

    def finish(self) -> None:
        """Nothing more comes: give files with several names their flags, and close the folder."""
        for link, name, flags in self._flags:
            try:
                copy = os.open(link, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.target)
                try:
                    os.unlink(link, dir_fd=self.target)
                    filesystem.write_flags(copy, flags)
                finally:
                    os.close(copy)
            except OSError as error:
                self._lost(name, error)
        os.close(self.target)

    def _copy(self, source: int, name: bytes, target: int, made: bytes) -> None:
        self._tick()
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        is_folder = stat.S_ISDIR(found.st_mode)
        if not is_folder and found.st_nlink > 1:
            key = found.st_dev, found.st_ino
            if key in self._links:
                link = self._links[key]
                os.link(
                    link, made, src_dir_fd=self.target, dst_dir_fd=target, follow_symlinks=False
                )
                return
        self._content(found, source, name, target, made)
        self._metadata(found, source, name, target, made)
        if not is_folder and found.st_nlink > 1:
            link = b"link-%d-%d" % key
            os.link(made, link, src_dir_fd=target, dst_dir_fd=self.target, follow_symlinks=False)
            self._links[key] = link
            if flags := flags_of(source, name):
                self._flags.append((link, name, flags))
        elif target != self.target:
            self.take_flags(source, name, target, made)

    def take_flags(self, source: int, name: bytes, target: int, made: bytes) -> None:
        """Give a copy the flags of its origin; last of all, for an immutable one cannot be moved.

        One with several names has them of :meth:`finish`.
        """
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode) and found.st_nlink > 1:
            return
        try:
            if flags := flags_of(source, name):
                write = os.open(made, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)
                try:
                    filesystem.write_flags(write, flags)
                finally:
                    os.close(write)
        except OSError as error:
            self._lost(name, error)

    def _content(
        self, found: os.stat_result, source: int, name: bytes, target: int, made: bytes
    ) -> None:
        if stat.S_ISDIR(found.st_mode):
            os.mkdir(made, 0o700, dir_fd=target)
            self._children(source, name, target, made)
        elif stat.S_ISREG(found.st_mode):
            self._data(source, name, target, made)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), made, dir_fd=target)
        else:
            os.mknod(made, found.st_mode, found.st_rdev, dir_fd=target)

    def _children(self, source: int, name: bytes, target: int, made: bytes) -> None:
        inner = os.open(name, FOLDER, dir_fd=source)
        outer = os.open(made, FOLDER, dir_fd=target)
        try:
            for child in map(os.fsencode, filesystem.names(inner)):
                self._copy(inner, child, outer, child)
        finally:
            os.close(inner)
            os.close(outer)

    def _data(self, source: int, name: bytes, target: int, made: bytes) -> None:
        read = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
        write = os.open(
            made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target
        )
        try:
            size = os.fstat(read).st_size
            position = 0
            while (start := _next_data(read, position)) is not None:
                end = os.lseek(read, start, os.SEEK_HOLE)
                for offset in range(start, end, PIECE):
                    self._piece(read, write, offset, min(PIECE, end - offset))
                position = end
            os.ftruncate(write, size)
        finally:
            os.close(read)
            os.close(write)

    def _piece(self, read: int, write: int, offset: int, length: int) -> None:
        self._tick()
        end = offset + length
        while offset < end:
            data = os.pread(read, end - offset, offset)
            if not data:  # what is missing would be zeros
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            while data:
                written = os.pwrite(write, data, offset)
                data, offset = data[written:], offset + written

    def _metadata(
        self, found: os.stat_result, source: int, name: bytes, target: int, made: bytes
    ) -> None:
        """Owner, mode, attributes with ACLs and capabilities, flags, times: in this order."""
        place = b"/proc/self/fd/%d/%s" % (target, made)
        origin = b"/proc/self/fd/%d/%s" % (source, name)
        try:
            os.chown(made, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
        except OSError as error:
            self._lost(name, error)
        if not stat.S_ISLNK(found.st_mode):
            os.chmod(made, stat.S_IMODE(found.st_mode), dir_fd=target)
        for attribute in _attributes(origin):
            try:
                value = os.getxattr(origin, attribute, follow_symlinks=False)
                os.setxattr(place, attribute, value, follow_symlinks=False)
            except OSError as error:
                self._lost(name, error)
        times = found.st_atime_ns, found.st_mtime_ns
        os.utime(made, ns=times, dir_fd=target, follow_symlinks=False)


def _next_data(descriptor: int, position: int) -> int | None:
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def _attributes(path: bytes) -> list[str]:
    with suppress(OSError):
        return os.listxattr(path, follow_symlinks=False)
    return []


def flags_of(folder: int, name: bytes) -> int:
    """The flags that a restore brings back, of a file or folder; 0 where it has none."""
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return 0
    opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        return filesystem.read_flags(opened) & filesystem.KEPT
    finally:
        os.close(opened)
