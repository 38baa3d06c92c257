"""What every test may use: a real Redis (embedded Valkey), and settings with a folder of their own.

Nothing here pretends to be Redis: it is started once a session, and emptied for each test.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from redis import Redis

from borgui import live
from borgui.config import Config
from tests.valkey_server import RedisServer

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # the suite shares two cores with borg: slow is no finding


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
