"""The file a horse holds locked while it lives: ``run/{job}.json``.

The lock tells a living horse from a dead one; the contents tell which borg it has started.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from borgui.runner.pids import ProcessId, boot_id

SIZE = 4096
"""The contents are padded to this, so that a disk that fills up later cannot stop a rewrite."""
PATIENCE = 0.5
"""Seconds until a lock that cannot be had counts as a living horse's."""
ORPHAN_GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL for a borg whose horse is dead."""


class AlreadyRunningError(Exception):
    """A living horse holds this job."""


class RunFile:
    """The locked file of this process's job."""

    def __init__(self, folder: Path, job: int) -> None:
        """Take the lock; raises :class:`AlreadyRunningError` and OSError (a full disk)."""
        self.path = folder / f"{job}.json"
        self._descriptor = _lock(self.path)
        self.before = read(self.path)
        """What a dead horse has left in it."""
        self._facts: dict[str, Any] = {"job": job}

    def write(self, **facts: object) -> None:
        """Add to the contents. Raises OSError."""
        self._facts.update(facts)
        data = json.dumps(self._facts).encode().ljust(SIZE)
        os.pwrite(self._descriptor, data, 0)

    def remove(self) -> None:
        """Remove the file, then the lock: the job has its outcome."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Give the lock back and leave the file: for the supervisor to find."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _lock(path: Path) -> int:
    """Lock the file of this name. Tries for a moment: a prober holds it for an instant."""
    deadline = time.monotonic() + PATIENCE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise AlreadyRunningError(f"{path.stem} is running already") from error
            time.sleep(0.01)
            continue
        if _is_at(path, descriptor):
            return descriptor
        # Removed by its holder between our open and our lock: what we have locked has no name.
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def found(folder: Path) -> Iterator[tuple[Path, bool, dict[str, Any]]]:
    """Every run file with whether its horse lives, and its contents (see :func:`read`)."""
    for path in sorted(folder.glob("*.json")):
        if path.stem.isdigit():
            with suppress(FileNotFoundError):
                yield path, _is_held(path), read(path)


def read(path: Path) -> dict[str, Any]:
    """The contents, as far as they make sense; ``job`` is always there.

    Raises FileNotFoundError.
    """
    try:
        facts = json.loads(path.read_bytes())
    except ValueError:
        facts = {}
    return (facts if isinstance(facts, dict) else {}) | {"job": int(path.stem)}


def borg_of(facts: dict[str, Any]) -> ProcessId | None:
    """The process that a horse has recorded, if it belongs to this boot."""
    pid, start = facts.get("borg_pid"), facts.get("borg_start")
    if not isinstance(pid, int) or not isinstance(start, int):
        return None
    return ProcessId(pid, start) if facts.get("boot_id") == boot_id() else None


def _is_held(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        # A shared lock: it meets the horse's exclusive one, and not another prober's.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
