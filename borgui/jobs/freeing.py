"""An admin gives a lane free that the job of a silent machine still holds.

Nobody here can know whether borg still runs there: that is why a person decides it.
"""

from typing import Any, cast

from redis import Redis
from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from borgui import live
from borgui.errors import Conflict
from borgui.jobs.admission import nudge
from borgui.jobs.job import Job
from borgui.models import now


def free_lane(session: Session, queue: Redis, job: Job, *, by: str) -> Job:
    """Let other jobs have the lane of ``job``; its row says that ``by`` decided it. Commits.

    Raises :class:`Conflict` when it holds none, and when its machine answers: then control frees
    the lane by itself as soon as nothing of the job runs there. Raises redis' errors.
    """
    held = job.lane_held and not job.is_active
    session.commit()  # Redis is not waited for within a transaction
    if held and live.read_machine(queue, job.machine) is not None:
        raise Conflict(
            "machine_answers",
            f"The machine {job.machine} answers again: the repository is free as soon as nothing "
            "of this job runs there.",
        )
    said = f"{job.error_message or ''} {by} freed the repository at {now():%Y-%m-%d %H:%M} UTC."
    statement = (
        update(Job)
        .where(Job.id == job.id, Job.lane_held.is_(True))
        .values(lane_held=False, error_message=said.strip())
        .execution_options(synchronize_session=False)
    )
    freed = held and cast("CursorResult[Any]", session.execute(statement)).rowcount == 1
    session.commit()
    if not freed:
        raise Conflict("nothing_held", "This job holds no repository.")
    nudge(queue)
    session.refresh(job)
    return job
