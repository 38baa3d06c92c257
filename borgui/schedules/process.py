"""The scheduler's own process: rq-scheduler's loop, which only enqueues calls for control."""

import logging
import signal
import time
from contextlib import suppress
from types import FrameType

from redis import Redis, RedisError
from rq.exceptions import NoSuchJobError
from rq_scheduler import Scheduler

from borgui import live, queueing
from borgui.schedules import wakeups

log = logging.getLogger("borgui.scheduler")

INTERVAL = 1


class GuardedScheduler(Scheduler):  # type: ignore[misc]
    """rq-scheduler ends at an entry it cannot read or enqueue; this one drops it and says so."""

    def enqueue_job(self, job: wakeups.Entry) -> None:
        """Move a due entry to control's queue, if it calls what control may be asked to do."""
        if not job.is_call_of(queueing.CONTROL_CALLS):
            log.warning("entry %s was dropped: it does not call control", job.id)
            self.cancel(job)
            return
        try:
            super().enqueue_job(job)
        except (ValueError, TypeError, AttributeError, NoSuchJobError) as error:
            log.warning("entry %s was dropped: %r", job.id, error)
            self.cancel(job)

    # rq-scheduler talks to Redis in its signal handler and on its way out: an error there would
    # take the place of the wish to stop, and the scheduler would outlive everything else.

    def _install_signal_handlers(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)

    def remove_lock(self) -> None:
        """Give the lock back; without Redis it expires by itself."""
        with suppress(RedisError):
            super().remove_lock()

    def register_death(self) -> None:
        """Leave Redis's list of schedulers; without Redis the heartbeat's end does it."""
        with suppress(RedisError):
            super().register_death()

    def heartbeat(self) -> None:
        """Say that the scheduler lives, for 15 seconds."""
        super().heartbeat()
        live.beat(self.connection, "scheduler", 15)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def run(redis_url: str) -> None:
    """Be the scheduler until told to stop. Waits out a Redis that is away."""
    connection: Redis = queueing.connect(redis_url, timeout=2)
    while True:
        table = GuardedScheduler(
            queue_name=queueing.CONTROL,
            connection=connection,
            job_class=wakeups.Entry,
            interval=INTERVAL,
        )
        try:
            table.run()
        except RedisError as error:
            log.warning("Redis cannot be reached: %s", error)
            time.sleep(INTERVAL)
