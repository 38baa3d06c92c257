"""The scheduler's own process: rq-scheduler's loop, which only enqueues calls for control."""

import logging
import time

from redis import Redis, RedisError
from rq.exceptions import NoSuchJobError
from rq_scheduler import Scheduler

from borgui import queueing
from borgui.schedules import wakeups

log = logging.getLogger("borgui.scheduler")

HEARTBEAT_KEY = "borgui:scheduler"
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

    def heartbeat(self) -> None:
        """Say that the scheduler lives, for 15 seconds."""
        super().heartbeat()
        self.connection.set(HEARTBEAT_KEY, str(time.time()), ex=15)


def run(redis_url: str) -> None:
    """Be the scheduler until told to stop. Waits out a Redis that is away."""
    connection: Redis = queueing.connect(redis_url, timeout=10)
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
