"""What is mounted, and how a mount is ended before its lease is over."""

from contextlib import suppress

from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui.errors import Conflict, NotFound
from borgui.jobs import admission, lanes
from borgui.jobs.job import ACTIVE
from borgui.jobs.kind import Context
from borgui.jobs.mount import MOUNT as KIND
from borgui.jobs.mount import MountInput as Input
from borgui.jobs.mount import MountJob

__all__ = ["KIND", "Input", "active", "give_way", "load"]


def active(session: Session) -> list[MountJob]:
    """Every mount that waits, stands or is being ended, the newest first."""
    wanted = select(MountJob).where(MountJob.status.in_(ACTIVE)).order_by(MountJob.id.desc())
    return list(session.scalars(wanted))


def load(session: Session, job_id: int) -> MountJob:
    """The mount that a job makes. Raises NotFound."""
    job = session.get(MountJob, job_id)
    if job is None:
        raise NotFound("mount_not_found", f"There is no mount {job_id}.")
    return job


def give_way(context: Context, queue: Redis) -> list[int]:
    """End each mount that keeps a writer from its lane, with the writer's name in its row.

    Call it after an admission; returns the ids of the jobs that were asked to end. Commits.
    """
    session = context.session
    standing = [
        job
        for job in active(session)
        if job.admitted_at is not None and job.cancel_requested_at is None
    ]
    waiting = lanes.writers(session) if standing else {}
    ended: dict[int, MountJob] = {}
    for job in standing:
        writer = waiting.get(job.lane or lanes.lane_of(job))
        if writer is not None:
            job.gave_way_to = lanes.describe(writer)
            ended[job.id] = job
    session.commit()
    for job in ended.values():
        with suppress(Conflict):  # it has ended
            admission.cancel(session, queue, job)
        session.commit()  # nothing waits for Redis while the database is locked
    return list(ended)
