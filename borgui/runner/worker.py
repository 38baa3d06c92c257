"""The RQ workers of a machine: each forks a *horse* for every job and watches it."""

import logging
import os
import signal
import time
from resource import struct_rusage
from types import FrameType
from typing import ClassVar

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.executions import Execution
from rq.job import Job
from rq.worker import Worker

from borgui import queueing
from borgui.runner import (
    context,
    horse,  # noqa: F401 - read once, here, and not in each horse
    process,
    stopping,
)


def _is_of_no_horse(record: logging.LogRecord) -> bool:
    """Whether RQ says it of something else than a horse that has ended."""
    return record.funcName not in {"monitor_work_horse", "handle_work_horse_killed"}


class ForkingWorker(queueing.ListedCalls, Worker):
    """A worker whose horse dies with it, and gets SIGTERM and time before SIGKILL."""

    horse_grace: ClassVar[float] = 20
    """Seconds from SIGTERM to SIGKILL for a horse. More than a job's own cancel grace."""

    _kill_at: float | None = None

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Fork. Signals wait until both sides are ready for them."""
        held = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            os.setpgrp()
            context.borrow(self.connection)
            self.setup_work_horse_signals()  # type: ignore[no-untyped-call]
            process.die_with(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
            self.main_work_horse(job, queue)
            os._exit(1)  # not reached: main_work_horse leaves by itself
        self._horse_pid = child
        self._kill_at = None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)

    def kill_horse(self, sig: signal.Signals = signal.SIGTERM) -> None:  # noqa: ARG002
        """Ask the horse to end; :meth:`maintain_heartbeats` sees to it that it does."""
        self._signal_horse(signal.SIGTERM)
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self.horse_grace

    def end_what_runs(self) -> None:
        """On the first SIGTERM or Ctrl-C: a backup can take hours, so the horse is not awaited."""
        if self.horse_pid:
            self.kill_horse()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """On the second one: no grace. The supervisor writes what the horse cannot any more."""
        self._signal_horse(signal.SIGKILL)

    def wait_for_horse(self) -> tuple[int | None, int | None, struct_rusage | None]:
        """Wait. Of a horse that has stopped in order with us, RQ's two warnings are not told."""
        ended = super().wait_for_horse()
        code = None if ended[1] is None else os.waitstatus_to_exitcode(ended[1])
        if self._stop_requested and code == stopping.EXIT_CODE:
            self.log.addFilter(_is_of_no_horse)
        return ended

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Every few seconds while a horse works; neither Redis's absence nor a stop is missed."""
        if self._stop_requested and self._kill_at is None:
            self.kill_horse()
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self._signal_horse(signal.SIGKILL)
        try:
            super().maintain_heartbeats(job, execution)
        except RedisError as error:
            queueing.log.warning("worker %s: no heartbeat, Redis is away: %s", self.name, error)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002
        """Seconds within which the next heartbeat of a running job comes."""
        return int(self.job_monitoring_interval) + 15

    def _signal_horse(self, number: signal.Signals) -> None:
        """To the horse alone; its pid is ours until it is waited for, so it is the right one."""
        if self.horse_pid:
            os.kill(self.horse_pid, number)


class MachineWorker(ForkingWorker):
    """Runs the jobs of one machine, the most urgent first."""

    functions: ClassVar[frozenset[str]] = frozenset({queueing.RUN_JOB})

    def __init__(self, machine: str, connection: Redis, *, name: str | None = None) -> None:
        super().__init__(queueing.machine_queues(machine), connection, name=name)

    def setup_work_horse_signals(self) -> None:
        """A horse notes SIGTERM, ends its borg and writes an outcome."""
        stopping.install_signals()


class QuickWorker(ForkingWorker):
    """Answers the questions to one machine that must not wait for its jobs, and starts the jobs
    that take no slot, each in a process of its own."""

    functions: ClassVar[frozenset[str]] = frozenset({queueing.LIST_FOLDER, queueing.RUN_BESIDE})
    horse_grace: ClassVar[float] = 1

    def __init__(self, machine: str, connection: Redis, *, name: str | None = None) -> None:
        super().__init__([queueing.quick_queue(machine)], connection, name=name)
