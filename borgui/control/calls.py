"""What control can be asked to do: the only functions its worker accepts. Each may run twice."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from redis import Redis

from borgui import diffs, downloads, live, queueing
from borgui.config import Config
from borgui.jobs import admission, mounts, retention
from borgui.jobs import finish as finishing
from borgui.jobs import reconcile as reconciling
from borgui.jobs.auto_index import AutoIndex, give_way
from borgui.jobs.job import Job, Status
from borgui.jobs.kind import Context
from borgui.models import Session, read_settings, reading
from borgui.schedules import wakeups
from borgui.security.keys import Keys

log = logging.getLogger("borgui.control")

APART_SECONDS = 0.06
"""From one admission that was asked for to the next: where many are started at once, each looks at
all that wait, and takes the processor from those who answer the others."""


class _State:
    """What :func:`configure` gave this process."""

    config: Config
    keys: Keys
    redis: Redis
    memory: reconciling.Memory
    auto_index: AutoIndex
    next_admission = 0.0


def configure(config: Config, keys: Keys, redis: Redis) -> None:
    """Give the calls what they work with; once, before the first of them."""
    _State.config, _State.keys, _State.redis = config, keys, redis
    _State.memory = reconciling.Memory()
    _State.auto_index = AutoIndex()


@contextmanager
def _context() -> Iterator[Context]:
    """What a call works with. No transaction is open at its beginning: each of them takes the
    database's write lock, so Redis must not be waited for within one."""
    session = Session()
    try:
        with reading():
            settings = read_settings(session)
            session.commit()
        yield Context(session=session, config=_State.config, settings=settings, keys=_State.keys)
    finally:
        Session.remove()


def admit() -> None:
    """Hand every job that may run to its machine; in a burst of starts, several at a time."""
    time.sleep(max(0.0, _State.next_admission - time.monotonic()))
    queueing.forget_nudge(_State.redis)
    with _context() as context:
        _admit(context)
    _State.next_admission = time.monotonic() + APART_SECONDS


def _admit(context: Context) -> None:
    name = context.config.machine
    report = live.read_machine(_State.redis, name)
    machines = {} if report is None else {name: _slots(context, report)}
    if report is not None and report.hostname:
        context = replace(context, hostnames={name: report.hostname})
    admission.admit(context, _State.redis, machines)
    give_way(context, _State.redis, machines)
    mounts.give_way(context, _State.redis)


def started(job: int, attempt: int, info: Mapping[str, Any]) -> None:
    """A worker says that borg runs: ``info`` has pid, start_time, started_at and command."""
    try:
        finishing.mark_started(Session(), job, attempt, info)
    finally:
        Session.remove()


def finish(job: int, attempt: int) -> None:
    """A worker says that it has left an outcome in the job's hash."""
    state = live.read(_State.redis, job)
    if state is None or state.outcome is None or state.outcome.get("attempt") != attempt:
        return
    with _context() as context:
        ended = reconciling.settle_outcome(context, _State.redis, job, state.outcome)
        _admit(context)
        if ended:
            _after(context, job)


def reconcile() -> None:
    """Hold the rows against what the machines say, then admit."""
    with _context() as context:
        ended = reconciling.reconcile(context, _State.redis, _State.memory)
        _admit(context)
        for job in ended:
            _after(context, job)
        retention.remove_stray_indexes(context.session, _State.config.indexes)
        _State.auto_index.consider(context, _State.redis)
        wakeups.arm(context.session, _State.redis)
        downloads.sweep(context.session, _State.config.downloads)
        diffs.sweep(context.session, _State.config.diffs)


def housekeep() -> None:
    """Once an hour: forget old jobs, and remove log files that belong to none."""
    with _context() as context:
        keep = context.settings.log_retention_jobs
        retention.forget_everywhere(context.session, _State.config.logs, keep)
        retention.remove_stray_logs(context.session, _State.config.logs)


def _after(context: Context, job_id: int) -> None:
    job = context.session.get(Job, job_id)
    _State.auto_index.job_ended(job)
    if job is not None:
        keep = context.settings.log_retention_jobs
        logs = _State.config.logs
        retention.forget_old(context.session, logs, keep, job.repository_id, job.kind)
    context.session.commit()
    if job is None or job.status != Status.COMPLETED:
        wakeups.arm(context.session, _State.redis)  # it may be tried again


def _slots(context: Context, report: live.Machine) -> int:
    """How many jobs a machine runs at once."""
    return context.config.jobs if report.workers is None else report.workers


def beat() -> None:
    """Say that control lives, for 20 seconds."""
    live.beat(_State.redis, "control", 20)
