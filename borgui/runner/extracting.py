"""Reads what ``borg extract`` says while it works: files done, what went wrong with which."""

import os
import posixpath
import stat
import time
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from borgui.borg import extracted
from borgui.borg.display import as_borg_prints, printable_path
from borgui.borg.events import Event, LogMessage, ProgressPercent
from borgui.borg.extracted import Loss
from borgui.borg.figures import MOST_PERCENT
from borgui.borg.progress import Progress
from borgui.borg.selection import stripped
from borgui.runner import filesystem
from borgui.runner.failure import FailedError
from borgui.runner.spec import pack
from borgui.runner.steps import Reader

INTERVAL = 0.25
LISTED = "borg.output.list"


class Extracting(Reader):
    """For a run of borg in ``folder`` whose results come to lie in ``destination``.

    Borg names an entry when it begins with it, so each is looked at when the next one is named.
    """

    def __init__(
        self,
        folder: str,
        destination: str,
        *,
        strip_components: int,
        discard: bool,
        tell: Callable[..., None] | None,
        check_space: Callable[[int], None] | None = None,
        share: tuple[int, int] | None = None,
    ) -> None:
        """``share``: of all bytes of several runs, what the ones before have done."""
        self.entries = self.nfiles = 0
        self.losses: Counter[Loss] = Counter()
        self.unmatched: list[str] = []
        self.halted_at: str | None = None
        self._folder = folder
        self._destination = destination
        self._strip = strip_components
        self._check_space = check_space
        self._share = share
        self._failed: str | None = None
        self._discard = discard
        self._tell = tell
        self._last: str | None = None
        self._single = array("q")
        self._linked: set[int] = set()
        self._due = 0.0

    def event(self, event: Event) -> bool:
        """Count a listed entry (no line of the log each), weigh a warning, check the space."""
        match event:
            case LogMessage(name=name, levelname="INFO", message=path) if name == LISTED:
                self._begin(path)
                return True
            case LogMessage(levelname="WARNING"):
                return self._warned(event)
            case ProgressPercent(msgid="extract", total=total) if total:
                self._weigh(total)
            case _:
                pass
        return False

    def shown(self, progress: Progress) -> Progress:
        """With files done and the place where the present one is going to lie."""
        path = None if self._last is None else posixpath.join(self._destination, self._last)
        if self._tell is not None and path is not None and self.is_due():
            self._tell(nfiles=self.nfiles, partial_file_b64=pack(path))
        current = None if path is None else printable_path(path)
        if self._share is not None:
            progress = _part(progress, *self._share)
        return replace(progress, nfiles=self.nfiles, current_file=current)

    def is_due(self) -> bool:
        """True a few times a second."""
        moment = time.monotonic()
        if moment < self._due:
            return False
        self._due = moment + INTERVAL
        return True

    def finish(self) -> None:
        """The last entry is done, or as done as it will be. From here on ``nfiles`` is exact."""
        if self._last is not None:
            self._count(self._last)
        self.nfiles -= sum(inode in self._linked for inode in self._single)

    def last_path(self) -> str | None:
        """The full path of the entry borg was at, unless that is a folder."""
        if self._last is None:
            return None
        names = exact(self._folder, self._last)
        path = posixpath.join(self._folder, names[0] if names else self._last)
        return None if posixpath.isdir(path) and not posixpath.islink(path) else path

    def size(self, progress: Progress) -> int:
        """Bytes restored, as far as borg has told."""
        return progress.restored_size or 0

    def _begin(self, path: str) -> None:
        if self._last is not None:
            self._count(self._last)
        self._last = path
        self.entries += 1

    def _count(self, path: str) -> None:
        """A regular file counts once, however many names it has.

        Borg may have made its second name by now, or not: a file that was seen with one name and
        later with two has been counted twice, which :meth:`finish` takes back.
        """
        found = None if path == self._failed else _status(self._folder, path)
        if found is None or not stat.S_ISREG(found.st_mode):
            return
        inode = hash((found.st_dev, found.st_ino))
        if found.st_nlink == 1:
            self._single.append(inode)
        elif inode in self._linked:
            return
        else:
            self._linked.add(inode)
        self.nfiles += 1

    def _warned(self, event: LogMessage) -> bool:
        kind = extracted.loss(event)
        self.losses[kind] += 1
        if kind is Loss.UNMATCHED:
            self.unmatched.append(event.message)
            return True
        path = extracted.path_of(event)
        if kind is Loss.FILE and path is not None:
            self._spoilt(path)
        elif kind is Loss.ALL:
            code, sentence = extracted.fatal_of(event) or ("destination_failed", event.message)
            self.halt = self.halt or FailedError(code, sentence)
            self.halted_at = self.halted_at or self.last_path()
        return False

    def _spoilt(self, path: str) -> None:
        """What is there of a file that failed must not be taken for the file."""
        self._failed = stripped(path, self._strip)
        names = exact(self._folder, self._failed)
        if not names or not self._discard:
            return
        full = max((posixpath.join(self._folder, name) for name in names), key=_changed)
        with suppress(IsADirectoryError, FileNotFoundError):
            Path(full).unlink()

    def _weigh(self, total: int) -> None:
        """Before it has begun, borg says how much it will write."""
        check, self._check_space = self._check_space, None
        if check is None:
            return
        try:
            check(total)
        except FailedError as failed:
            self.halt = failed


def _part(progress: Progress, done: int, total: int) -> Progress:
    """The state of one run as that of all of them; when they all end is not known."""
    size = done + (progress.restored_size or 0)
    percent = round(min(size / total * 100, MOST_PERCENT), 1) if total else None
    return replace(progress, progress_percent=percent, restored_size=size, eta_seconds=None)


def exact(root: str, shown: str) -> list[str]:
    """The names below ``root`` that borg shows as ``shown``: itself, or those with other bytes."""
    found = [""]
    for part in shown.split("/"):
        found = [posixpath.join(each, name) for each in found for name in _names(root, each, part)]
    return found


def _names(root: str, folder: str, part: str) -> list[str]:
    where = posixpath.join(root, folder)
    if "?" not in part:
        return [part] if os.path.lexists(posixpath.join(where, part)) else []
    with suppress(OSError):
        return sorted(name for name in filesystem.names(where) if as_borg_prints(name) == part)
    return []


def _status(root: str, shown: str) -> os.stat_result | None:
    with suppress(OSError):
        return os.lstat(posixpath.join(root, shown))
    for name in exact(root, shown) if "?" in shown else ():
        with suppress(OSError):
            return os.lstat(posixpath.join(root, name))
    return None


def _changed(path: str) -> int:
    with suppress(OSError):
        return os.lstat(path).st_ctime_ns
    return 0
