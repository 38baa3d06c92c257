"""What is mounted, and how a mount is ended before its lease is over."""

from contextlib import suppress

from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui.errors import Conflict, NotFound
from borgui.jobs import admission, lanes
from borgui.jobs.job import ACTIVE
from borgui.jobs.kind import Context
from borgui.jobs.mount import MountJob
from borgui.models import reading


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
    with reading():
        standing = [
            job
            for job in active(session)
            if job.admitted_at is not None and job.cancel_requested_at is None
        ]
        writers = lanes.writers(session, lanes.waiting(session)) if standing else {}
        in_the_way = {
            job: writer
            for job in standing
            if (writer := writers.get(job.lane or lanes.lane_of(job))) is not None
        }
        session.commit()
    for job, writer in in_the_way.items():
        job.gave_way_to = lanes.describe(writer)
    session.commit()
    for job in in_the_way:
        with suppress(Conflict):  # it has ended
            admission.cancel(session, queue, job)
        session.commit()  # nothing waits for Redis while the database is locked
    return [job.id for job in in_the_way]
