"""A machine and things to back up."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from borgui.config import Config
from borgui.runner import program
from tests.integration.runner.machine_at_work import PASSPHRASE, Machine


@pytest.fixture
def machine(config: Config, redis_server: Any, redis: Redis) -> Iterator[Machine]:
    machine = Machine(config, redis_server.url, redis)
    program.find(config)  # as the supervisor's first report does
    yield machine
    for pid in machine.children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def worker(machine: Machine) -> int:
    """A worker that waits for jobs."""
    return machine.start_worker()


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encrypted repository, made once."""
    folder = tmp_path_factory.mktemp("template")
    subprocess.run(
        ["borg", "init", "--encryption=repokey-blake2", str(folder / "repository")],
        env=os.environ | {"BORG_PASSPHRASE": PASSPHRASE, "BORG_BASE_DIR": str(folder)},
        check=True,
        capture_output=True,
    )
    return folder / "repository"


@pytest.fixture
def repository(_template: Path, tmp_path: Path) -> Path:
    """An empty encrypted repository."""
    path = tmp_path / "repository"
    subprocess.run(["cp", "-r", str(_template), str(path)], check=True)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small folder to back up."""
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    for number in range(20):
        (folder / "sub" / f"{number}.txt").write_text(f"file {number}\n" * 100)
    return folder


@pytest.fixture
def slow_source(tmp_path: Path) -> Path:
    """A folder whose backup takes many seconds: a sparse file of 40 GB is read at memory speed."""
    folder = tmp_path / "slow"
    folder.mkdir()
    with (folder / "big.img").open("wb") as file:
        file.truncate(40_000_000_000)
    return folder
