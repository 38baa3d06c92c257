"""How a horse leaves: its outcome to disk, then to Redis, then word to control."""

import time
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from borgui import live, queueing
from borgui.config import Config
from borgui.runner import outcome, process, stopping
from borgui.runner.publisher import Publisher

KEEP_SECONDS = 30
"""How long a horse that could not write its outcome to disk waits for control to have it."""


def leave(config: Config, redis: Redis, publisher: Publisher, last: dict[str, Any]) -> None:
    """Leave ``last``, the job's outcome, on disk or with control before this returns."""
    leaving = _Leaving(config, redis, publisher, last)
    is_kept = leaving.keep()
    is_told = leaving.publish()
    if not is_kept:
        leaving.hold_on(is_told=is_told)


class _Leaving:
    def __init__(
        self, config: Config, redis: Redis, publisher: Publisher, last: dict[str, Any]
    ) -> None:
        self._config = config
        self._redis = redis
        self._publisher = publisher
        self._outcome = last
        self._job, self._attempt = last["job"], last["attempt"]

    def keep(self) -> bool:
        """Write it to disk; whether it is there."""
        try:
            outcome.write(self._config.run, self._outcome)
        except OSError as error:
            process.log.warning("job %s: outcome not on disk: %s", self._job, error)
            return False
        return True

    def publish(self) -> bool:
        """Write the hash and tell control. Where this fails the supervisor does it later."""
        self._publisher.set(**self._outcome["progress"])
        if not self._publisher.end(self._outcome):
            return False
        try:
            queueing.enqueue_control(self._redis, queueing.FINISH, self._job, self._attempt)
        except RedisError as error:
            process.log.warning("job %s: control is not told: %s", self._job, error)
            return False
        return True

    def hold_on(self, *, is_told: bool) -> None:
        """The outcome is not on disk: stay until it is, or until control has it.

        Without Redis there is nobody else who knows it, so then there is no end to the waiting
        but a SIGTERM.
        """
        deadline = time.monotonic() + KEEP_SECONDS
        while not stopping.reason() and not (is_told and time.monotonic() > deadline):
            if self.keep() or (is_told and self._is_settled()):
                return
            is_told = is_told or self.publish()
            time.sleep(0.5)

    def _is_settled(self) -> bool:
        try:
            settled = live.acknowledged(self._redis, self._config.machine)
        except RedisError:
            return False
        return f"{self._job}:{self._attempt}" in settled
