"""Watching the product without asking it: its database, its processes, and its borg's start.

Asking over HTTP would take processor time from what is measured.
"""

import ctypes
import os
import select
import shutil
import sqlite3
import struct
import time
from pathlib import Path

import psutil

from tests.bench import raw
from tests.integration.product import Product

ENDED = ("completed", "failed", "cancelled")
_IN_OPEN = 0x20
_EVENT = struct.Struct("iIII")


class Rows:
    """The product's database, read only."""

    def __init__(self, product: Product) -> None:
        path = product.data_dir / "borgui.db"
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)

    def status(self, job: int) -> str:
        """The status of a job; ``""`` before its row is there."""
        row = self._connection.execute("select status from jobs where id = ?", [job]).fetchone()
        return row[0] if row else ""

    def wait(self, job: int, *statuses: str, pause: float, seconds: float = 300) -> float:
        """Until the job stands in one of these; the moment it was seen to (monotonic)."""
        deadline = time.monotonic() + seconds
        while (status := self.status(job)) not in statuses:
            assert time.monotonic() < deadline, f"job {job} is still {status}"
            assert status not in ENDED, f"job {job} is {status}"
            time.sleep(pause)
        return time.monotonic()

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()


def borg_is_gone(product: Product) -> float:
    """Wait until no borg of the product's is left; the moment (monotonic) before the last look."""
    while True:
        moment = time.monotonic()
        if not any(_is_borg(each) for each in product.tree()):
            return moment
        time.sleep(0.005)


def _is_borg(process: psutil.Process) -> bool:
    try:
        return "borg" in (Path(word).name for word in process.cmdline()[:3])
    except psutil.NoSuchProcess:
        return False


def add_repository(product: Product, path: Path, source: Path) -> int:
    """A repository with the same settings as raw borg's; returns its id."""
    return product.add_repository(
        path.name,
        path,
        [source],
        encryption=raw.ENCRYPTION,
        compression=raw.COMPRESSION,
        passphrase=raw.PASSPHRASE,
    )


def back_up(product: Product, rows: Rows, repository: int) -> float:
    """Seconds from the POST to ``completed`` and the last borg gone."""
    began = time.monotonic()
    job = product.back_up(repository)
    ended = rows.wait(job, "completed", pause=0.005)
    looked = time.monotonic()
    gone = borg_is_gone(product)
    return (ended if gone - looked < 0.005 else gone) - began


class Starts:
    """Tells when a program is started: a copy of borg's script, which inotify(7) watches."""

    def __init__(self, folder: Path) -> None:
        original = shutil.which("borg")
        assert original
        self.program = folder / "borg"
        shutil.copy(original, self.program)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        path = os.fsencode(self.program)
        assert self._libc.inotify_add_watch(self._descriptor, path, _IN_OPEN) >= 0

    def forget(self) -> None:
        """Drop what was seen so far."""
        while select.select([self._descriptor], [], [], 0)[0]:
            os.read(self._descriptor, 4096)

    def wait(self, seconds: float = 30) -> float:
        """The moment (monotonic) of the next start."""
        assert select.select([self._descriptor], [], [], seconds)[0], "borg was not started"
        return time.monotonic()

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)
