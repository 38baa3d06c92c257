"""The queues: their names, how a call is put in one, and the workers that accept a few names only.

Whoever can write to Redis could otherwise make a worker import and run anything. So a worker here
looks at the name of a function before it imports anything, and takes nothing else from a job:
no callbacks, web hooks, retries, dependents, commands over pub/sub.
Facts about RQ are read off version 3.0.0; it is pinned.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, worker_registration
from rq.exceptions import DeserializationError, NoSuchJobError, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import BaseTimeoutException, JobTimeoutException
from rq.utils import now
from rq.worker import SimpleWorker, WorkerStatus
from rq.worker.base import BaseWorker

from borgui.live import PLAIN

CONTROL = "control"
PRIORITIES = ("high", "default", "low")

STARTED = "borgui.control.calls.started"
FINISH = "borgui.control.calls.finish"
ADMIT = "borgui.control.calls.admit"
RECONCILE = "borgui.control.calls.reconcile"
HOUSEKEEP = "borgui.control.calls.housekeep"
CONTROL_CALLS = frozenset({STARTED, FINISH, ADMIT, RECONCILE, HOUSEKEEP})

RUN_JOB = "borgui.runner.horse.run_job"
RUN_BESIDE = "borgui.runner.beside.run_job"
LIST_FOLDER = "borgui.runner.quick.list_folder"

NUDGED_KEY = "borgui:nudged"
NUDGED_SECONDS = 5
"""How long a nudge counts that was lost on its way; control looks as often by itself."""

TimeUp = BaseTimeoutException
"""Raised in a call that has taken its time limit, wherever it is then: no fault of what it was
doing. It is an ``Exception``; who catches all of them lets it pass."""

NO_LIMIT = -1
WORKER_TTL = 30
"""Seconds after its last heartbeat that a worker counts as gone."""
BEAT_SECONDS = 1.0
"""From one heartbeat to the next: RQ sends three around each call."""

log = logging.getLogger("borgui.queue")


def machine_queue(machine: str, priority: str) -> str:
    """The queue of jobs of one priority (``high``, ``default``, ``low``) for a machine."""
    if priority not in PRIORITIES:
        raise ValueError(f"no such priority: {priority!r}")
    return f"{machine}-{priority}"


def machine_queues(machine: str) -> list[str]:
    """The queues of jobs for a machine, the most urgent first."""
    return [machine_queue(machine, priority) for priority in PRIORITIES]


def quick_queue(machine: str) -> str:
    """The queue of questions that are answered within ten seconds, beside the jobs."""
    return f"{machine}-quick"


def connect(url: str, *, timeout: float | None = None) -> Redis:
    """A client for queues: RQ wants bytes. A worker sets the timeout that its waiting needs."""
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout or 5,
        **PLAIN,
    )


class Call(Job):
    """A job that is the name of a function and its arguments, nothing more."""

    def restore(self, raw_data: Any) -> None:
        """Read from Redis; what is there beside the call is dropped, and what is broken is gone."""
        try:
            super().restore(raw_data)
        except Exception as error:
            raise NoSuchJobError(f"job {self.id} cannot be read: {error!r}") from error
        self._success_callback_name = self._failure_callback_name = None
        self._stopped_callback_name = None
        self.webhooks = []
        self._dependency_ids = []
        self.retries_left = self.repeats_left = None
        self.group_id = self.rate_limit_key = self.rate_limit_concurrency = None

    def is_call_of(self, names: frozenset[str]) -> bool:
        """Whether this calls one of ``names``. Decodes JSON; imports nothing."""
        try:
            return (
                isinstance(self.func_name, str)
                and self.func_name in names
                and self.instance is None
                and isinstance(self.args, list)
                and isinstance(self.kwargs, dict)
            )
        except DeserializationError:
            return False


def queue(connection: Redis, name: str) -> Queue:
    """The queue ``name``; ``connection`` is one of :func:`connect`."""
    return Queue(name, connection=connection, job_class=Call, serializer=JSONSerializer)


def enqueue(
    connection: Redis,
    name: str,
    function: str,
    *args: object,
    time_limit: int = NO_LIMIT,
    ttl: int | None = None,
    call_id: str | None = None,
) -> str:
    """Put a call of ``function`` (a dotted name) in the queue ``name``; returns its id.

    ``args`` must be JSON. ``time_limit`` and ``ttl`` (how long it may wait) are in seconds.
    Raises redis' errors.
    """
    pipeline = connection.pipeline(transaction=True)
    call = queue(connection, name).enqueue_call(
        function,
        args=list(args),
        timeout=time_limit,
        ttl=ttl,
        job_id=call_id,
        result_ttl=0,
        failure_ttl=60,
        description=function,
        pipeline=pipeline,
    )
    pipeline.execute()
    return str(call.id)


def run_id(job: int, attempt: int) -> str:
    """The id of the call that runs this attempt of a job."""
    return f"run-{job}-{attempt}"


def is_queued(connection: Redis, name: str, call_id: str) -> bool:
    """Whether the call still waits in the queue ``name``."""
    return call_id in queue(connection, name).job_ids


def take_back(connection: Redis, name: str, call_id: str) -> bool:
    """Remove the call from the queue ``name``; whether it still waited there, so that nobody has
    it now."""
    if not connection.lrem(queue(connection, name).key, 0, call_id):
        return False
    connection.delete(Call.key_for(call_id))
    return True


def enqueue_control(connection: Redis, function: str, *args: object) -> str:
    """Put a call in control's queue. ``function`` is one of ``CONTROL_CALLS``."""
    return enqueue(connection, CONTROL, function, *args, time_limit=120)


def nudge_control(connection: Redis) -> None:
    """Have control admit what may run, unless it has been told so and has not begun yet."""
    if connection.set(NUDGED_KEY, 1, nx=True, ex=NUDGED_SECONDS):
        enqueue_control(connection, ADMIT)


def forget_nudge(connection: Redis) -> None:
    """Control looks now: what comes after this is told it again."""
    connection.delete(NUDGED_KEY)


class ListedCalls(BaseWorker):
    """What our workers share: only listed functions, and a Redis that may be away for a while."""

    functions: ClassVar[frozenset[str]] = frozenset()
    max_connection_wait_time = 2.0

    def __init__(
        self,
        queues: Sequence[str],
        connection: Redis,
        *,
        name: str | None = None,
        maintenance_interval: int = 15,
    ) -> None:
        super().__init__(
            list(queues),
            name=name,
            connection=connection,
            job_class=Call,
            serializer=JSONSerializer,
            default_result_ttl=0,
            worker_ttl=WORKER_TTL,
            job_monitoring_interval=5,
            maintenance_interval=maintenance_interval,
            log_job_description=False,
        )
        self.log_result_lifespan = False
        self._beat_at = 0.0

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a listed call; drop any other one, and go on when Redis fails meanwhile."""
        if not isinstance(job, Call) or not job.is_call_of(self.functions):
            log.warning("worker %s refused job %s: its function is not listed", self.name, job.id)
            with suppress(RedisError):
                self.connection.delete(job.key)
            return
        try:
            super().execute_job(job, queue)
        except RedisError as error:
            log.warning("worker %s: Redis failed around job %s: %s", self.name, job.id, error)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run a call and forget it, in one round trip; whether it returned.

        RQ's own takes eleven, for results, counters, retries and dependents. There are none here.
        """
        try:
            with self.death_penalty_class(job.timeout or NO_LIMIT, JobTimeoutException):
                job.perform()
        except Exception:
            log.exception("worker %s: %s failed", self.name, job.func_name)
            return False
        finally:
            pipeline = self.connection.pipeline(transaction=False)
            pipeline.delete(job.key)
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            self.cleanup_execution(job, pipeline, execution)
            pipeline.execute()
        return True

    # RQ sends these outside its own handlers, where an error would end the worker.

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Say that this worker lives, for ``WORKER_TTL`` seconds; unless it has just been said."""
        ttl = min(timeout or WORKER_TTL, WORKER_TTL)
        if pipeline is not None:
            super().heartbeat(ttl, pipeline)
            return
        moment = time.monotonic()
        if moment < self._beat_at:
            return
        self._beat_at = moment + BEAT_SECONDS
        with suppress(RedisError):
            own = self.connection.pipeline(transaction=False)
            super().heartbeat(ttl, own)
            if own.execute()[0] and self.birth_date is not None:  # Redis was emptied
                self.connection.hset(self.key, mapping=self.serialize())
                worker_registration.register(self)

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Note what this worker does, where that is news; without Redis only here."""
        if state == self._state:
            return
        with suppress(RedisError):
            super().set_state(state, pipeline)

    def register_death(self) -> None:
        """Leave Redis's list of workers; without Redis the heartbeat's end does it."""
        with suppress(RedisError):
            super().register_death()  # type: ignore[no-untyped-call]

    def check_for_suspension(self, burst: bool) -> None:
        """A paused queue is control's doing, not RQ's."""

    def subscribe(self) -> None:
        """No commands over pub/sub: no thread beside the one that forks, no way to stop jobs."""

    def run_maintenance_tasks(self) -> None:
        """Forget dead workers and old executions. RQ's own sweep would run callbacks and retry."""
        with suppress(RedisError):
            for each in self.queues:
                worker_registration.clean_worker_registry(each)
                self.connection.delete(each.intermediate_queue_key)
                for registry in (each.started_job_registry, each.failed_job_registry):
                    self.connection.zremrangebyscore(registry.key, 0, time.time())
        self.last_cleaned_at = now()  # type: ignore[assignment]

    def _shutdown(self) -> None:
        """Stop as soon as what runs has ended. Called in a signal handler: no Redis here."""
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        self._stop_requested = True
        self.end_what_runs()

    def end_what_runs(self) -> None:
        """Make the present call end early, where a worker can."""


class InlineWorker(ListedCalls, SimpleWorker):
    """Runs calls in its own process, one at a time, and :meth:`tick` between them.

    For control: it forks nothing, so a call starts within milliseconds.
    """

    tick_seconds: ClassVar[int] = 5

    def __init__(
        self, queues: Sequence[str], connection: Redis, *, name: str | None = None
    ) -> None:
        super().__init__(queues, connection, name=name, maintenance_interval=self.tick_seconds)

    @property
    def dequeue_timeout(self) -> int:
        """Seconds to wait for a call before the next tick."""
        return self.tick_seconds

    def prepare_execution(self, job: Job) -> Execution:
        """Nothing of it is told to Redis: who would look for it there finds it done."""
        self._state = WorkerStatus.BUSY
        return Execution("", job.id, self.connection)

    def cleanup_execution(
        self, job: Job, pipeline: Pipeline, execution: Execution | None = None
    ) -> None:
        """There is nothing of it in Redis."""

    def run_maintenance_tasks(self) -> None:
        """RQ's and our own, as one piece of work that a signal to stop does not cut."""
        super().run_maintenance_tasks()
        before, self._state = self._state, WorkerStatus.BUSY
        try:
            self.tick()
        except Exception:
            log.exception("worker %s: its regular work failed", self.name)
        finally:
            self._state = before
        if self._stop_requested:
            raise StopRequested

    def tick(self) -> None:
        """What is done every ``tick_seconds`` or so, between two calls; for subclasses."""
