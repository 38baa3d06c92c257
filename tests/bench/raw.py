"""Raw borg, as a person would run it: the yardstick."""

import contextlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tests.bench.figures import Figure

PASSPHRASE = "s3cret phrase"
ENCRYPTION = "repokey-blake2"
COMPRESSION = "lz4"
"""The same for both sides, so that both do the same work."""

Pair = tuple[float, float]
"""Seconds of the product and of raw borg."""


class RawBorg:
    """A borg with its own base folder; its repositories lie beside it."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "raw-home"
        self._home.mkdir(parents=True)
        self._repositories = folder / "raw-repositories"
        self._repositories.mkdir()
        self._count = 0

    def init(self) -> Path:
        """A new, empty repository."""
        self._count += 1
        repository = self._repositories / str(self._count)
        self._run(repository, "init", "--encryption", ENCRYPTION)
        return repository

    def create(self, repository: Path, source: Path) -> float:
        """Make an archive; the seconds until the process was gone."""
        began = time.monotonic()
        name = f"::raw-{time.time_ns()}"
        self._run(repository, "create", "--compression", COMPRESSION, name, str(source))
        return time.monotonic() - began

    def forget(self, repository: Path) -> None:
        """Remove a repository's folder."""
        shutil.rmtree(repository)

    @contextlib.contextmanager
    def importing(self, repository: Path, name: str) -> Iterator[IO[bytes]]:
        """Make an archive of the tar that is written to what this gives."""
        command = ["borg", "import-tar", f"::{name}", "-"]
        with subprocess.Popen(command, env=self.env(repository), stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            yield process.stdin
            process.stdin.close()
            assert process.wait() == 0

    def list_to_nowhere(self, repository: Path, name: str) -> None:
        """List an archive as JSON, and throw it away."""
        self._run(repository, "list", "--json-lines", f"::{name}")

    def env(self, repository: Path) -> dict[str, str]:
        """The environment of a borg on this repository."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "BORG_BASE_DIR": str(self._home),
            "BORG_REPO": str(repository),
            "BORG_PASSPHRASE": PASSPHRASE,
            "TZ": "UTC",
        }

    def _run(self, repository: Path, *arguments: str) -> None:
        subprocess.run(
            ["borg", *arguments],
            env=self.env(repository),
            check=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # as the product: Linux shares processors out by session
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # of init: a page of advice
        )


class Yardstick:
    """Raw borg before and after everything that is held against it, and against their mean: the
    machine's own speed comes and goes within a minute."""

    def __init__(self, run: Callable[[], float]) -> None:
        """``run``: raw borg's own way; answers its seconds."""
        self._run = run
        self._before = run()

    def hold(self, ours: Callable[[], float]) -> Pair:
        """Run ``ours``, which answers its seconds, then raw borg."""
        seconds = ours()
        before, self._before = self._before, self._run()
        return seconds, statistics.mean((before, self._before))


def ratios(name: str, pairs: list[Pair], bound: float) -> Figure:
    """How much longer the product took; its name says how long raw borg did."""
    seconds = statistics.median(theirs for _, theirs in pairs)
    values = [ours / theirs for ours, theirs in pairs]
    return Figure(f"{name} (raw {seconds:.2f} s)", values, "x", bound)
