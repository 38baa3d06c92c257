"""Starting the job that reads what an archive holds."""

import redis
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from borgui.config import Config
from borgui.contents.archive import is_indexed
from borgui.jobs import admission, kind_of
from borgui.jobs.job import ACTIVE, Job, Priority
from borgui.models import Archive


def start_index(
    session: Session,
    queue: redis.Redis,
    config: Config,
    archive: Archive,
    *,
    user_id: int | None = None,
    idempotency_key: str | None = None,
    priority: Priority = Priority.DEFAULT,
) -> Job | None:
    """Start the job that makes the archive's index; None when it is there already.

    A job that makes it just now is answered instead of a second one. Raises :class:`Conflict`
    when the repository is not ready. Commits.
    """
    if is_indexed(config, archive):
        return None
    if (job := index_job(session, archive)) is not None:
        return _hurry(session, job, priority)
    return admission.start(
        session,
        queue,
        kind_of("index"),
        archive.repository,
        options={"archive_id": archive.id, "archive": archive.name},
        priority=priority,
        user_id=user_id,
        idempotency_key=idempotency_key,
    )


def index_job(session: Session, archive: Archive) -> Job | None:
    """The job that waits or runs to make the archive's index, for its progress."""
    active = session.scalars(
        select(Job)
        .where(
            Job.kind == "index",
            Job.repository_id == archive.repository_id,
            Job.status.in_(ACTIVE),
        )
        .order_by(Job.id)
    )
    return next((job for job in active if job.options.get("archive_id") == archive.id), None)


def _hurry(session: Session, job: Job, priority: Priority) -> Job:
    """Let a job that still waits be served as early as ``priority``. Commits."""
    session.execute(
        update(Job)
        .where(Job.id == job.id, Job.admitted_at.is_(None), Job.priority_rank > priority.rank)
        .values(priority_rank=priority.rank)
    )
    session.commit()
    return job
