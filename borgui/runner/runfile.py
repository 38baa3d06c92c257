"""The file a horse holds locked while it lives: ``run/{job}.json``.

The lock tells a living horse from a dead one; the contents tell which borg it has started.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZE = 4096
"""The contents are padded to this, so that a disk that fills up later cannot stop a rewrite."""


class AlreadyRunningError(Exception):
    """A living horse holds this job."""


class RunFile:
    """The locked file of this process's job."""

    def __init__(self, folder: Path, job: int) -> None:
        """Take the lock; raises :class:`AlreadyRunningError` and OSError (a full disk)."""
        self.path = folder / f"{job}.json"
        self._descriptor = _lock(self.path)
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
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise AlreadyRunningError(f"{path.stem} is running already") from error
        # Removed by its holder between our open and our lock: what we have locked is no name.
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def found(folder: Path) -> Iterator[tuple[Path, bool, dict[str, Any]]]:
    """Every run file with whether its horse lives, and its contents (empty when unreadable)."""
    for path in sorted(folder.glob("*.json")):
        if path.stem.isdigit():
            try:
                yield path, _is_held(path), read(path)
            except FileNotFoundError:
                continue


def read(path: Path) -> dict[str, Any]:
    """The contents, as far as they make sense. Raises FileNotFoundError."""
    try:
        facts = json.loads(path.read_bytes())
    except ValueError:
        facts = {}
    return {"job": int(path.stem), **(facts if isinstance(facts, dict) else {})}


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
