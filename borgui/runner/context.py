"""What the processes of a machine are given once, before any fork: settings and where Redis is."""

from dataclasses import dataclass

from redis import Redis

from borgui import live, queueing
from borgui.config import Config
from borgui.security import keys


@dataclass(frozen=True, slots=True)
class Context:
    """``transport``: the keys that open this machine's specs."""

    config: Config
    redis_url: str
    transport: tuple[bytes, ...]
    instance: str

    def connect(self) -> Redis:
        """A client for live state, of this process's own."""
        return live.connect(self.redis_url)

    def connect_queue(self) -> Redis:
        """A client for queues, of this process's own."""
        return queueing.connect(self.redis_url, timeout=2)


class _Given:
    context: Context | None = None


def configure(config: Config, redis_url: str, *, instance: str = "") -> None:
    """Call it in the parent, before a worker starts. ``instance`` names this run of borgui.

    Raises :class:`~borgui.security.keys.MasterKeyError`.
    """
    transport = keys.load(config).transport(config.machine)
    _Given.context = Context(config, redis_url, transport, instance)


def get() -> Context:
    """What was given; raises RuntimeError when nothing was."""
    if _Given.context is None:
        raise RuntimeError("borgui.runner.context.configure() was not called in this process")
    return _Given.context
