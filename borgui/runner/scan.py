"""Counts what a backup will read, beside borg and never in its way, to give progress a total."""

import os
import stat
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from borgui.borg.patterns import Decision, Matcher, PatternError
from borgui.runner.process import log
from borgui.runner.spec import Step, unpack

NICE = 19
MOST_LINKS = 500_000
"""Hard links remembered; with more of them there is no total."""
CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"
"""How a ``CACHEDIR.TAG`` begins (bford.info/cachedir)."""


@dataclass(frozen=True, slots=True)
class Total:
    """Regular files, and their bytes. A second hard link to a file counts nothing, as in borg."""

    nfiles: int
    original_size: int


class Scan:
    """A count under way in a thread of lowest priority."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._total: Total | None = None

    @classmethod
    def none(cls) -> "Scan":
        """A count that never has a total."""
        return cls()

    @classmethod
    def beside(cls, step: Step, env: Mapping[str, str]) -> "Scan":
        """Count what ``step`` (a ``create``) will read; nothing where that cannot be exact."""
        scan = cls()
        walk = Walk.of(step, env)
        if walk is not None:
            scan._thread = threading.Thread(target=scan._run, args=(walk,), daemon=True)
            scan._thread.start()
        return scan

    def take(self) -> Total | None:
        """The total, once, when the count is complete."""
        total, self._total = self._total, None
        return total

    def stop(self) -> None:
        """End the count; its thread ends at the next file."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1)

    def _run(self, walk: "Walk") -> None:
        try:
            # On Linux a thread has a niceness of its own, by its native id.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            self._total = walk.count(self._stop)
        except OSError as error:
            log.info("the sources could not be counted: %s", error)


class Walk:
    """The rules by which borg 1.x chooses files, as far as they can be followed exactly."""

    def __init__(
        self,
        sources: Sequence[str],
        matcher: Matcher,
        *,
        one_file_system: bool = False,
        exclude_caches: bool = False,
        exclude_if_present: Sequence[str] = (),
        skipped: Sequence[str] = (),
    ) -> None:
        self._sources = sources
        self._matcher = matcher
        self._one_file_system = one_file_system
        self._exclude_caches = exclude_caches
        self._tags = tuple(exclude_if_present)
        self._device = 0
        self._skipped = {inode for path in skipped if (inode := _inode(path))}

    @classmethod
    def of(cls, step: Step, env: Mapping[str, str]) -> "Walk | None":
        """The walk for a ``create``; ``None`` where there are flags that we do not follow."""
        parameters = step.parameters
        if parameters.get("extra_flags") or not parameters.get("sources_b64"):
            return None
        try:
            matcher = Matcher.from_argv(step.argv)
        except PatternError:
            return None
        return cls(
            [unpack(each) for each in parameters["sources_b64"]],
            matcher,
            one_file_system=bool(parameters.get("one_file_system")),
            exclude_caches=bool(parameters.get("exclude_caches")),
            exclude_if_present=parameters.get("exclude_if_present") or (),
            # borg leaves out its own cache and repository folders
            skipped=[env.get("BORG_CACHE_DIR", ""), step.local_repository or ""],
        )

    def count(self, stop: threading.Event) -> Total | None:
        """The total, ``None`` with too many hard links to remember. Ends early with ``stop``."""
        counter = _Counter()
        for source in self._sources:
            path = os.path.normpath(source)
            try:
                found = os.lstat(path)
            except OSError:
                continue  # borg warns and goes on without it
            self._device = found.st_dev
            folders = [path] if self._take(path, found, counter) else []
            while folders:
                folders += self._enter(folders.pop(), counter)
                if stop.is_set() or len(counter.linked) > MOST_LINKS:
                    return None
        return Total(counter.nfiles, counter.size)

    def _take(self, path: str, found: os.stat_result, counter: "_Counter") -> bool:
        """Count a file; whether it is a folder to look into."""
        decision = self._matcher.decide(path)
        if decision is Decision.EXCLUDE:
            return False
        if not stat.S_ISDIR(found.st_mode):
            if decision is Decision.INCLUDE:
                counter.add(found)
            return False
        elsewhere = self._one_file_system and found.st_dev != self._device
        return not elsewhere and (found.st_dev, found.st_ino) not in self._skipped

    def _enter(self, folder: str, counter: "_Counter") -> list[str]:
        """Count the files of a folder; returns the folders in it."""
        if self._is_tagged(folder):
            return []
        folders = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if self._take(entry.path, found, counter):
                        folders.append(entry.path)
        except OSError:
            return folders  # borg warns and goes on
        return folders

    def _is_tagged(self, path: str) -> bool:
        if self._exclude_caches and _is_cache(path):
            return True
        return any(os.path.lexists(f"{path}/{tag}") for tag in self._tags)


class _Counter:
    def __init__(self) -> None:
        self.nfiles = self.size = 0
        self.linked: set[tuple[int, int]] = set()

    def add(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            return
        if found.st_nlink > 1:
            inode = found.st_dev, found.st_ino
            if inode in self.linked:
                return
            self.linked.add(inode)
        self.nfiles += 1
        self.size += found.st_size


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_cache(path: str) -> bool:
    try:
        descriptor = os.open(f"{path}/CACHEDIR.TAG", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.read(descriptor, len(CACHE_TAG)) == CACHE_TAG
    except OSError:
        return False
    finally:
        os.close(descriptor)
