"""Carries a job's live state to Redis and brings the wish to cancel back.

Redis may be away at any time. Nothing here raises then; what was missed is written when it is
back, since the whole state is kept here and published again every few seconds anyway.
"""

import logging
import time
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from borgui import live
from borgui.runner.logfile import JobLog

INTERVAL = 0.5
"""Seconds between two writes."""
WHOLE = 5.0
"""Seconds after which the whole state is written, changed or not."""
PAUSE = 1.0
"""Seconds to leave a Redis alone that did not answer."""

log = logging.getLogger("borgui.runner")


class Publisher:
    """The live hash, log tail and cancel flag of one job; ``redis`` may answer text or bytes."""

    def __init__(self, redis: Redis, job: int, attempt: int) -> None:
        self.cancelled = False
        self.is_away = False
        """Whether Redis did not answer the last time it was asked."""
        self._redis = redis
        self._job = job
        self._attempt = attempt
        self._state: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._log: JobLog | None = None
        self._sent_base = self._sent_end = -1
        self._next = self._next_whole = 0.0

    def take_over(self) -> int | None:
        """Read what control has announced: the attempt it means, ``None`` when it is not known,
        as while Redis is away.

        Its other facts are kept, so that they are there again after Redis was emptied.
        """
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hgetall(live.job_key(self._job))
            pipeline.get(live.cancel_key(self._job))
            facts, flag = pipeline.execute()
        except RedisError as error:
            self._failed(error)
            return None
        known = {live.as_text(name) or "": live.as_text(facts[name]) or "" for name in facts}
        self._state = known | self._state
        self.is_away = False
        self._heed(flag)
        return live.Live.decode(facts).attempt

    def follow(self, job_log: JobLog) -> None:
        """Publish this log's tail from now on."""
        self._log = job_log

    def set(self, **values: object) -> None:
        """Change fields of the hash; written with the next :meth:`flush`."""
        for name, value in live.encode(values).items():
            if self._state.get(name) != value:
                self._state[name] = value
                self._dirty.add(name)

    def flush(self, *, now: bool = False) -> bool:
        """Write what has changed, if it is time (or ``now``); whether Redis has it all."""
        moment = time.monotonic()
        if moment < self._next and not now:
            return False
        self._next = moment + INTERVAL
        is_whole = moment >= self._next_whole
        try:
            self._exchange(is_whole=is_whole)
        except RedisError as error:
            self._failed(error)
            return False
        if is_whole:
            self._next_whole = moment + WHOLE
        if self.is_away:
            log.info("job %s: Redis is back", self._job)
        self.is_away = False
        return True

    def end(self, outcome: dict[str, Any]) -> bool:
        """Write the outcome and let all of it expire in a day; whether Redis has it."""
        self.set(outcome=outcome, status=outcome["status"], updated_at=live.timestamp())
        self._next_whole = 0.0
        if not self.flush(now=True) or (self._sent_end < 0 and not self.flush(now=True)):
            return False
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.expire(live.job_key(self._job), live.DAY)
            pipeline.expire(live.log_key(self._job), live.DAY)
            pipeline.execute()
        except RedisError as error:
            self._failed(error)
            return False
        return True

    def _exchange(self, *, is_whole: bool) -> None:
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.get(live.cancel_key(self._job))
        if self._log is not None:
            self._send_log(pipeline, self._log, is_whole=is_whole)
        measured = len(pipeline) - 1
        if self._dirty or is_whole:
            self.set(updated_at=live.timestamp())
            names = self._state.keys() if is_whole else self._dirty
            fields: dict[Any, str] = {name: self._state[name] for name in names}
            pipeline.hset(live.job_key(self._job), mapping=fields)
            if is_whole and "outcome" not in self._state:
                pipeline.persist(live.job_key(self._job))
        answers = pipeline.execute()
        self._dirty.clear()
        self._heed(answers[0])
        if self._log is not None and measured > 0:
            self._check_log(self._log, answers[measured])

    def _heed(self, flag: object) -> None:
        """Take up the wish to cancel, and say so to those who see the hash alone."""
        self.cancelled = self.cancelled or live.is_cancelled(flag, self._attempt)
        if self.cancelled:
            self.set(cancelling=True)

    def _send_log(self, pipeline: Pipeline, source: JobLog, *, is_whole: bool) -> None:
        """Put the log's news in the pipeline, last a command that answers the tail's length."""
        key = live.log_key(self._job)
        self.set(log_base=source.base, log_end=source.end)
        if self._sent_base != source.base:
            pipeline.set(key, bytes(source.tail))
            pipeline.strlen(key)
        elif self._sent_end < source.end:
            pipeline.append(key, bytes(source.tail[self._sent_end - source.base :]))
        elif is_whole:
            pipeline.strlen(key)

    def _check_log(self, source: JobLog, length: object) -> None:
        """Redis may have been emptied since: then nothing it has is whole."""
        if length == len(source.tail):
            self._sent_base, self._sent_end = source.base, source.end
        else:
            self._sent_base = self._sent_end = -1
            self._next = self._next_whole = 0.0

    def _failed(self, error: RedisError) -> None:
        """What Redis has is unknown now: the next write is a whole one."""
        if not self.is_away:
            log.warning("job %s: Redis is away: %s", self._job, error)
        self.is_away = True
        self._sent_base = self._sent_end = -1
        self._next_whole = 0.0
        self._next = time.monotonic() + PAUSE
