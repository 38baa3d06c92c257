"""Entries that wake control at a known moment: a delayed try, and the hourly housekeeping.

rq-scheduler pickles by default; a Job class whose default serializer is JSON keeps it from that.
"""

from datetime import UTC, datetime, timedelta

from redis import Redis
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler
from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui import queueing
from borgui.jobs.job import Job, Status
from borgui.models import now

HOUSEKEEPING = timedelta(hours=1)


class Entry(queueing.Call):
    """A scheduled call; its data is JSON."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs["serializer"] = JSONSerializer
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]


def scheduler(redis: Redis) -> Scheduler:
    """The table of entries, on control's queue; ``redis`` answers bytes."""
    return Scheduler(queue_name=queueing.CONTROL, connection=redis, job_class=Entry, interval=1)


def arm(session: Session, redis: Redis) -> None:
    """Make sure that each delayed try, and the housekeeping, has its entry. May run any time."""
    table = scheduler(redis)
    waiting = select(Job.id, Job.not_before).where(
        Job.status == Status.PENDING, Job.admitted_at.is_(None), Job.not_before > now()
    )
    found = session.execute(waiting).all()
    session.rollback()  # no transaction is open while Redis is waited for
    for job_id, due in found:
        if due is not None:
            _arm(table, f"wake-{job_id}", due, queueing.ADMIT)
    _arm(table, "housekeep", now() + HOUSEKEEPING, queueing.HOUSEKEEP)


def _arm(table: Scheduler, entry: str, due: datetime, function: str) -> None:
    if entry in table:
        return
    naive = due.astimezone(UTC).replace(tzinfo=None)
    table.enqueue_at(naive, function, job_id=entry, job_result_ttl=0, timeout=120)
