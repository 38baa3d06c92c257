"""Raw borg, as a person would run it: the yardstick."""

import os
import shutil
import subprocess
import time
from pathlib import Path

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

    def _run(self, repository: Path, *arguments: str) -> None:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "BORG_BASE_DIR": str(self._home),
            "BORG_REPO": str(repository),
            "BORG_PASSPHRASE": PASSPHRASE,
        }
        subprocess.run(
            ["borg", *arguments],
            env=env,
            check=True,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # of init: a page of advice
        )
