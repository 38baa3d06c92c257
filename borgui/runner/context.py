"""What the processes of a machine are given once, before any fork: settings and where Redis is."""

import os
from dataclasses import dataclass

from redis import Redis

from borgui import queueing
from borgui.config import Config
from borgui.runner import process
from borgui.security import keys, sealing


@dataclass(frozen=True, slots=True)
class Context:
    """``transport``: the keys that open this machine's specs. ``parent``: the process that all
    others of this run of borgui end with."""

    config: Config
    redis_url: str
    transport: tuple[bytes, ...]
    instance: str
    parent: int

    def connect(self) -> Redis:
        """A client that answers bytes, for live state and queues: RQ's own in a horse."""
        return _Given.connection or queueing.connect(self.redis_url, timeout=HORSE_TIMEOUT)


HORSE_TIMEOUT = 1.0
"""Seconds a horse waits for Redis: meanwhile nobody reads what borg writes."""


class _Given:
    context: Context | None = None
    connection: Redis | None = None


def configure(config: Config, redis_url: str, *, instance: str = "") -> None:
    """Call it in the parent, before a worker starts. ``instance`` names this run of borgui.

    Raises :class:`~borgui.security.keys.MasterKeyError`.
    """
    transport = keys.load(config).transport(config.machine)
    _Given.context = Context(config, redis_url, transport, instance, os.getpid())
    process.prepare(instance)
    # The first use of a cipher loads it, in 2 ms: once here instead of in every horse.
    sealing.open_spec(sealing.seal_spec({}, transport, 0, 0, ""), transport, 0, 0, "")


def borrow(connection: Redis) -> None:
    """In a fresh horse: use the worker's client, which opens a connection of its own here."""
    connection.connection_pool.connection_kwargs["socket_timeout"] = HORSE_TIMEOUT
    _Given.connection = connection


def get() -> Context:
    """What was given; raises RuntimeError when nothing was."""
    if _Given.context is None:
        raise RuntimeError("borgui.runner.context.configure() was not called in this process")
    return _Given.context
