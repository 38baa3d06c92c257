"""Raw borg, as a person would run it: the yardstick."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PASSPHRASE = "s3cret phrase"
ENCRYPTION = "repokey-blake2"
COMPRESSION = "lz4"
"""The same for both sides, so that both do the same work."""


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
