"""What is believed here held against what the machines say: at start-up and every few seconds.

It settles orphans, puts back what a lost Redis forgot, and settles nothing as failed in the first
30 seconds after Redis changed under us: the machines need that long to speak again.

Nothing here waits for Redis within a transaction: on SQLite that would stop everyone who writes.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from redis import Redis, RedisError
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from borgui import live, queueing
from borgui.borg.display import IN_DETAIL
from borgui.jobs.admission import announce, way_of
from borgui.jobs.finish import finish, mark_started
from borgui.jobs.job import Job, Status, move
from borgui.jobs.kind import Context
from borgui.jobs.lanes import taken
from borgui.models import now, reading

GRACE = timedelta(seconds=30)
"""After Redis was restarted or emptied."""
PROOF = 2
"""So many reports of its machine must follow one without the job before that proves anything: a
report may have been begun before what it is held against."""
SILENCE = timedelta(seconds=120)
"""A machine that says nothing for so long has its jobs failed, and what it has not fetched waits
again."""
MOST_ATTEMPTS = 5

log = logging.getLogger("borgui.control")


@dataclass
class Sighting:
    """A job that neither its machine nor a queue knew of. ``reports``: the machine's since then."""

    said: str | None
    reports: int = 0
    revoked: bool = False

    def hear(self, said: str | None) -> int:
        """Note a report, which may be the one noted before; returns how many came."""
        if said != self.said:
            self.said, self.reports = said, self.reports + 1
        return self.reports


@dataclass
class Memory:
    """What control remembers from one sweep to the next; lost with it, without harm."""

    redis_identity: str | None = None
    redis_changed_at: datetime | None = None
    began_at: datetime = field(default_factory=now)
    heard: dict[str, datetime] = field(default_factory=dict)
    missing: dict[tuple[int, int], Sighting] = field(default_factory=dict)
    """By job and attempt."""

    def notice(self, identity: str) -> None:
        """Start the period of grace when this is another Redis life than before."""
        if self.redis_identity is not None and identity != self.redis_identity:
            self.redis_changed_at = now()
        self.redis_identity = identity

    @property
    def in_grace(self) -> bool:
        """Whether Redis changed so lately that silence proves nothing."""
        return self.redis_changed_at is not None and now() - self.redis_changed_at < GRACE


def redis_identity(redis: Redis) -> str:
    """Changes when Redis is restarted (its ``run_id``) and when it is emptied (our epoch)."""
    run_id = redis.info("server").get("run_id", "")
    return f"{run_id}:{live.begin_epoch(redis)}"


def reconcile(context: Context, redis: Redis, memory: Memory) -> list[int]:
    """Settle what is clear; returns the ids of the rows it ended."""
    memory.notice(redis_identity(redis))
    session = context.session
    with reading():
        rows = taken(session)
        session.commit()
    session.expunge_all()  # they are read below, between transactions, as they were
    reports = {name: live.read_machine(redis, name) for name in {row.machine for row in rows}}
    for name, report in reports.items():
        if report is not None:
            memory.heard[name] = now()
    known = {(row.id, row.attempt) for row in rows}
    memory.missing = {key: seen for key, seen in memory.missing.items() if key in known}
    ended = []
    for row in rows:
        try:
            if _settle(context, redis, memory, row, reports[row.machine]):
                ended.append(row.id)
        except (RedisError, OperationalError, queueing.TimeUp):
            raise  # the same for every row
        except Exception:
            session.rollback()
            log.exception("job %s could not be held against its machine's word", row.id)
    return ended


def _settle(
    context: Context, redis: Redis, memory: Memory, job: Job, report: live.Machine | None
) -> bool:
    if job.lane_held and not job.is_active:
        return _free_lane(context, redis, job, report)
    if job.cancel_requested_at:
        live.request_cancel(redis, job.id)
    if report is None:
        return _silent(context, redis, memory, job)
    if report.runs(job.id, job.attempt):
        memory.missing.pop((job.id, job.attempt), None)
        return _still_running(context, job, report)
    state = live.read(redis, job.id)
    if state and state.outcome and state.outcome.get("attempt") == job.attempt:
        return settle_outcome(context, redis, job.id, state.outcome)
    if report.has_outcome(job.id, job.attempt) or _lives(report, job):
        return False
    return _missing(context, redis, memory, job, report)


def settle_outcome(context: Context, redis: Redis, job_id: int, outcome: dict[str, Any]) -> bool:
    """Finish the job, then let its machine forget the outcome; whether the row ended by it.

    An outcome that cannot be taken over fails the job: it would come again for ever.
    """
    try:
        ended = finish(context, job_id, outcome)
    except (OperationalError, queueing.TimeUp):
        raise  # the database is locked or full, or slow: the outcome is kept and comes again
    except Exception as error:
        log.exception("job %s: its outcome cannot be taken over", job_id)
        context.session.rollback()
        message = f"borgui itself failed when it took over the result. {IN_DETAIL} {error!r}"
        ended = finish(context, job_id, _failure(outcome["attempt"], "internal_error", message))
    machine = str(outcome.get("machine") or context.config.machine)
    live.acknowledge(redis, machine, job_id, int(outcome["attempt"]))
    return ended


def _still_running(context: Context, job: Job, report: live.Machine) -> bool:
    if job.status == Status.PENDING:
        entry = next(each for each in report.live if each.get("job") == job.id)
        mark_started(context.session, job.id, job.attempt, entry)
    return False


def _missing(
    context: Context, redis: Redis, memory: Memory, job: Job, report: live.Machine
) -> bool:
    """Neither runs, nor has ended, as far as its machine knows: once that is proven, settle it.

    A job that waits is taken back from whoever may still have it before it is put back: a worker
    that was stopped with the call in its hands finds, when it goes on, that the call is void.
    """
    key = job.id, job.attempt
    waits = job.status == Status.PENDING
    if waits and _is_queued(redis, job):
        memory.missing.pop(key, None)
        return False
    seen = memory.missing.setdefault(key, Sighting(report.reported_at))
    reports = seen.hear(report.reported_at)
    if waits and not seen.revoked:
        if reports:
            announce(redis, job, attempt=job.attempt + 1)
            memory.missing[key] = Sighting(report.reported_at, revoked=True)
        return False
    if reports < PROOF or (memory.in_grace and not waits):
        return False
    if waits:
        return _put_back(context, redis, job)
    return _end(context, redis, job, "worker_killed", "The worker was killed.")


def _lives(report: live.Machine, job: Job) -> bool:
    """Whether any attempt of the job was seen alive."""
    return any(each.get("job") == job.id for each in report.live)


def _is_queued(redis: Redis, job: Job) -> bool:
    name, _ = way_of(job)
    return queueing.is_queued(redis, name, queueing.run_id(job.id, job.attempt))


def _take_back(redis: Redis, job: Job) -> bool:
    """Whether the machine had not fetched the call, and never will: the job need not wait there."""
    name, _ = way_of(job)
    if not queueing.take_back(redis, name, queueing.run_id(job.id, job.attempt)):
        return False
    announce(redis, job, attempt=job.attempt + 1)
    return True


def _put_back(context: Context, redis: Redis, job: Job) -> bool:
    """An admitted job that no machine has: it waits again, unless it was to be cancelled."""
    if job.cancel_requested_at:
        return _end(context, redis, job, None, None, status=Status.CANCELLED)
    if job.attempt >= MOST_ATTEMPTS:
        message = f"The worker did not start it, {MOST_ATTEMPTS} times in a row."
        return _end(context, redis, job, "not_started", message)
    log.warning("job %s was not begun by a worker: it is handed over again", job.id)
    move(
        context.session,
        job.id,
        Status.PENDING,
        attempt=job.attempt,
        values={"admitted_at": None},
    )
    context.session.commit()
    return False


def _silent(context: Context, redis: Redis, memory: Memory, job: Job) -> bool:
    since = max(memory.heard.get(job.machine, memory.began_at), memory.began_at)
    is_long = now() - since >= SILENCE and not memory.in_grace
    is_unwanted = job.status == Status.PENDING and (is_long or job.cancel_requested_at is not None)
    if is_unwanted and _take_back(redis, job):
        return _put_back(context, redis, job)
    if not is_long:
        return False
    message = (
        f"The machine {job.machine} has not answered for {int(SILENCE.total_seconds())} seconds."
        " Its repository stays reserved until it answers, or until an admin frees it: borg may"
        " still be running there."
    )
    return _end(context, redis, job, "machine_silent", message, lane_held=True)


def _free_lane(context: Context, redis: Redis, job: Job, report: live.Machine | None) -> bool:
    if report is None or _lives(report, job):
        return False
    context.session.execute(update(Job).where(Job.id == job.id).values(lane_held=False))
    context.session.commit()
    live.acknowledge(redis, job.machine, job.id, job.attempt)
    return False


def _end(
    context: Context,
    redis: Redis,
    job: Job,
    code: str | None,
    message: str | None,
    *,
    status: Status = Status.FAILED,
    lane_held: bool = False,
) -> bool:
    """End a job of which no outcome came, in the row and for those who look at its hash."""
    outcome = _failure(job.attempt, code, message) | {"status": status.value}
    ended = finish(context, job.id, outcome, lane_held=lane_held)
    if ended:
        try:
            live.end(redis, job.id, status)
        except RedisError:
            log.warning("job %s has ended; Redis could not be told", job.id)
    return ended


def _failure(attempt: int, code: str | None, message: str | None) -> dict[str, Any]:
    return {
        "attempt": attempt,
        "status": Status.FAILED.value,
        "error_code": code,
        "error_message": message,
    }
