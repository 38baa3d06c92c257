"""What is believed here held against what the machines say: at start-up and every 15 seconds.

It settles orphans, puts back what a lost Redis forgot, and settles nothing as failed in the first
30 seconds after Redis changed under us: the machines need that long to speak again.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from redis import Redis
from sqlalchemy import select

from borgui import live, queueing
from borgui.jobs.finish import finish, mark_started, moment
from borgui.jobs.job import ACTIVE, Job, Status
from borgui.jobs.kind import Context
from borgui.models import now

GRACE = timedelta(seconds=30)
"""After Redis was restarted or emptied."""
SETTLING = timedelta(seconds=10)
"""How long a job may be between two places (popped from a queue, not yet reported)."""
SILENCE = timedelta(seconds=120)
"""A machine that says nothing for so long has its running jobs failed."""
MOST_ATTEMPTS = 5


@dataclass
class Memory:
    """What control remembers from one sweep to the next; lost with it, without harm."""

    redis_identity: str | None = None
    redis_changed_at: datetime | None = None
    began_at: datetime = field(default_factory=now)
    heard: dict[str, datetime] = field(default_factory=dict)

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
    rows = context.session.scalars(
        select(Job).where(
            (Job.status.in_(ACTIVE) & Job.admitted_at.is_not(None)) | Job.lane_held.is_(True)
        )
    ).all()
    context.session.commit()
    reports = {name: live.read_machine(redis, name) for name in {row.machine for row in rows}}
    for name, report in reports.items():
        if report is not None:
            memory.heard[name] = now()
    return [row.id for row in rows if _settle(context, redis, memory, row, reports[row.machine])]


def _settle(  # noqa: PLR0911 - one return for each thing a machine can say
    context: Context, redis: Redis, memory: Memory, job: Job, report: live.Machine | None
) -> bool:
    if job.lane_held and not job.is_active:
        return _free_lane(context, redis, job, report)
    if job.cancel_requested_at:
        live.request_cancel(redis, job.id)
    if report is None:
        return _silent(context, memory, job)
    if report.runs(job.id, job.attempt):
        return _still_running(context, job, report)
    state = live.read(redis, job.id)
    if state and state.outcome and state.outcome.get("attempt") == job.attempt:
        return settle_outcome(context, redis, job.id, state.outcome)
    if report.has_outcome(job.id, job.attempt) or memory.in_grace or _in_transit(job, report):
        return False
    if job.status == Status.PENDING:
        return _not_started(context, redis, job)
    return _end(context, job, "worker_killed", "The worker was killed.")


def settle_outcome(context: Context, redis: Redis, job_id: int, outcome: dict[str, Any]) -> bool:
    """Finish the job, then let its machine forget the outcome; whether the row ended by it."""
    ended = finish(context, job_id, outcome)
    live.acknowledge(redis, str(outcome["machine"]), job_id, int(outcome["attempt"]))
    return ended


def _in_transit(job: Job, report: live.Machine) -> bool:
    """Whether the machine's word may be older than the job's last step."""
    last = job.started_at or job.admitted_at or job.created_at
    said = moment(report.reported_at)
    return now() - last < SETTLING or said is None or said - last < SETTLING / 2


def _still_running(context: Context, job: Job, report: live.Machine) -> bool:
    if job.status == Status.PENDING:
        entry = next(each for each in report.live if each.get("job") == job.id)
        mark_started(context.session, job.id, job.attempt, entry)
    return False


def _not_started(context: Context, redis: Redis, job: Job) -> bool:
    """An admitted job that no machine runs: still queued, or put back."""
    name = queueing.machine_queue(job.machine, job.priority)
    if queueing.is_queued(redis, name, queueing.run_id(job.id, job.attempt)):
        return False
    if job.attempt >= MOST_ATTEMPTS:
        message = f"The worker did not start it, {MOST_ATTEMPTS} times in a row."
        return _end(context, job, "not_started", message)
    job.admitted_at = None
    context.session.commit()
    return False


def _silent(context: Context, memory: Memory, job: Job) -> bool:
    since = max(memory.heard.get(job.machine, memory.began_at), memory.began_at)
    if job.status != Status.RUNNING or now() - since < SILENCE or memory.in_grace:
        return False
    message = (
        f"The machine {job.machine} has not answered for {int(SILENCE.total_seconds())} seconds."
        " Its repository stays reserved until it answers: borg may still be running there."
    )
    ended = _end(context, job, "machine_silent", message)
    job.lane_held = ended
    context.session.commit()
    return ended


def _free_lane(context: Context, redis: Redis, job: Job, report: live.Machine | None) -> bool:
    if report is None or report.runs(job.id, job.attempt):
        return False
    job.lane_held = False
    context.session.commit()
    live.acknowledge(redis, job.machine, job.id, job.attempt)
    return False


def _end(context: Context, job: Job, code: str, message: str) -> bool:
    outcome = {
        "job": job.id,
        "attempt": job.attempt,
        "machine": job.machine,
        "status": Status.FAILED.value,
        "error_code": code,
        "error_message": message,
        "warning_count": job.warning_count,
    }
    ended = finish(context, job.id, outcome)
    context.session.refresh(job)
    return ended
