"""Puts an extracted tree in its place without replacing anything.

Every folder is opened within its parent and never through a link, so nobody who may write below
the destination can turn a name into a link and have us write elsewhere.
"""

import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from borgui.runner import filesystem
from borgui.runner.copying import Copier
from borgui.runner.filesystem import FOLDER
from borgui.runner.outcome import MOST_NAMED


@dataclass(slots=True)
class Placed:
    """What came of it so far. Names are full paths; sizes in bytes, a hard link counts once."""

    nfiles: int = 0
    size: int = 0
    entries: int = 0
    """Everything that was made, folders and links too."""
    left_count: int = 0
    left: list[str] = field(default_factory=list)
    inodes: set[tuple[int, int]] = field(default_factory=set)

    def add(self, found: os.stat_result) -> None:
        """Note something that was made."""
        self.entries += 1
        if not stat.S_ISREG(found.st_mode):
            return
        if found.st_nlink > 1:
            if _identity(found) in self.inodes:
                return
            self.inodes.add(_identity(found))
        self.nfiles += 1
        self.size += found.st_size

    def leave(self, path: bytes) -> None:
        """Note something that was there already."""
        self.left_count += 1
        if len(self.left) < MOST_NAMED:
            self.left.append(os.fsdecode(path))


class Placing:
    """Moves what lies in a staging folder to ``destination`` (bytes of a path).

    ``elsewhere`` opens a staging folder of ours on another file system, given a folder's path on
    it. ``tick`` is called for each entry and may raise. Folders named by ``protected`` (device,
    inode) are never written to. ``opened`` is called with the path of the destination, free of
    links, once nobody can lead us elsewhere any more; it may raise.
    """

    def __init__(
        self,
        destination: bytes,
        *,
        elsewhere: Callable[[bytes], int],
        tick: Callable[[], None],
        lost: Callable[[bytes, OSError], None],
        protected: frozenset[tuple[int, int]] = frozenset(),
        opened: Callable[[str], None] = lambda _path: None,
    ) -> None:
        self.placed = Placed()
        self._destination = destination
        self._elsewhere = elsewhere
        self._tick = tick
        self._lost = lost
        self._protected = protected
        self._opened = opened
        self._copiers: dict[int, Copier] = {}

    def place(self, staging: bytes | int) -> None:
        """Do it; ``staging`` is the folder's path, or the folder itself, open. Raises OSError, and
        what ``tick`` raises; what is placed stays."""
        source = os.dup(staging) if isinstance(staging, int) else os.open(staging, FOLDER)
        target = os.open(self._destination, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._opened(os.fspath(Path(f"/proc/self/fd/{target}").readlink()))
            self._merge(source, target, self._destination)
        finally:
            os.close(source)
            os.close(target)
            while self._copiers:
                self._copiers.popitem()[1].finish()

    def _merge(self, source: int, target: int, where: bytes) -> None:
        for name in sorted(map(os.fsencode, filesystem.names(source))):
            self._tick()
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
            path = posixpath.join(where, name)
            if not self._try(source, target, name, path, found):
                self._meet(source, target, name, path, found)

    def _try(
        self, source: int, target: int, name: bytes, path: bytes, found: os.stat_result
    ) -> bool:
        """Put a whole entry where nothing is; False when something is there."""
        if _exists(target, name):
            return False
        tally = Placed(inodes=self.placed.inodes)
        for where, each in _walk(source, name, path, found):
            if where != path:
                self._tick()  # a whole tree of millions may be new
            tally.add(each)
        try:
            self._move(source, target, name, path)
        except FileExistsError:
            return False
        self.placed.entries += tally.entries
        self.placed.nfiles += tally.nfiles
        self.placed.size += tally.size
        self._keep_times(target, name, found)
        return True

    def _move(self, source: int, target: int, name: bytes, path: bytes) -> None:
        try:
            filesystem.rename_new(source, name, target, name)
        except PermissionError:
            with filesystem.unbound(source, name):
                filesystem.rename_new(source, name, target, name)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(source, target, name, path)

    def _copy(self, source: int, target: int, name: bytes, path: bytes) -> None:
        device = os.fstat(target).st_dev
        if device not in self._copiers:
            folder = self._elsewhere(posixpath.dirname(path))
            self._copiers[device] = Copier(folder, self._tick, self._lost)
        copier = self._copiers[device]
        made = copier.copy(source, name)
        filesystem.rename_new(copier.target, made, target, name)
        copier.take_flags(source, name, target, name)

    def _meet(
        self, source: int, target: int, name: bytes, path: bytes, found: os.stat_result
    ) -> None:
        """Something has the name: two folders become one, all else is left alone."""
        if not stat.S_ISDIR(found.st_mode):
            self.placed.leave(path)
            return
        try:
            outer = os.open(name, FOLDER, dir_fd=target)
        except NotADirectoryError:
            self._leave_all(source, name, path, found)
            return
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            self._leave_all(source, name, path, found)
            return
        try:
            if _identity(os.fstat(outer)) in self._protected:
                self._leave_all(source, name, path, found)
                return
            filesystem.loosen(source, name)
            inner = os.open(name, FOLDER, dir_fd=source)
            try:
                self._merge(inner, outer, path)
            finally:
                os.close(inner)
        finally:
            os.close(outer)

    def _leave_all(self, source: int, name: bytes, path: bytes, found: os.stat_result) -> None:
        """Everything in a folder that cannot be made; the folder itself where it holds nothing."""
        before = self.placed.left_count
        for where, each in _walk(source, name, path, found):
            if not _is_folder(each):
                self.placed.leave(where)
        if self.placed.left_count == before:
            self.placed.leave(path)

    def _keep_times(self, target: int, name: bytes, found: os.stat_result) -> None:
        """A folder's own time changes on some file systems when it gets another parent."""
        if _is_folder(found):
            now = os.stat(name, dir_fd=target, follow_symlinks=False)
            if now.st_mtime_ns != found.st_mtime_ns:
                times = found.st_atime_ns, found.st_mtime_ns
                os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)


def _exists(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _is_folder(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode)


def _walk(
    folder: int, name: bytes, path: bytes, found: os.stat_result
) -> Iterator[tuple[bytes, os.stat_result]]:
    """An entry and, if it is a folder, all in it, with full paths."""
    yield path, found
    if not _is_folder(found):
        return
    waiting = [(b"/proc/self/fd/%d/%s" % (folder, name), path)]
    while waiting:
        here, shown = waiting.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                each = entry.stat(follow_symlinks=False)
                where = posixpath.join(shown, entry.name)
                yield where, each
                if _is_folder(each):
                    waiting.append((posixpath.join(here, entry.name), where))
