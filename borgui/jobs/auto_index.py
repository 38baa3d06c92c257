"""Indexes made unasked: of what is backed up here, once a machine has rested for a while.

Control asks :meth:`AutoIndex.consider` every few seconds. It starts one job at a time, of low
priority, which is ended as soon as another job waits for it (:func:`give_way`).
"""

import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta

from redis import Redis
from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from borgui import contents
from borgui.errors import Conflict
from borgui.jobs import admission, kind_of, lanes
from borgui.jobs.index import GAVE_WAY
from borgui.jobs.job import ACTIVE, Job, Priority, Status, Trigger
from borgui.jobs.kind import Context
from borgui.models import Archive, Repository, now, reading

REST_AFTER_FAILURE = timedelta(days=1)
MOST_FAILURES = 3
"""Of one archive; then a person may still ask for it."""

PASSING = frozenset({"stopped", "restarted"})
"""How an index fails through no fault of its own. A worker that was killed is none: it may have
needed too much memory, and would again."""

LOOK_AGAIN_SECONDS = 3600.0


class AutoIndex:
    """What control remembers of it; lost with it, without harm."""

    def __init__(self) -> None:
        self._idle_since: float | None = None
        self._done_at: float | None = None

    def job_ended(self, job: Job | None) -> None:
        """Look again, after a rest unless it was only an index that was made."""
        self._done_at = None
        if job is None or job.kind != "index":
            self._idle_since = None

    def consider(self, context: Context, queue: Redis) -> Job | None:
        """Start the next job that is due, if the machine has rested for long enough. Commits."""
        settings = context.settings
        if not settings.auto_index or not self._has_rested(context):
            return None
        archive = _next(context)
        if archive is None:
            self._done_at = time.monotonic()
            return None
        return admission.start(
            context.session,
            queue,
            kind_of("index"),
            archive.repository,
            options={"archive_id": archive.id, "archive": archive.name},
            priority=Priority.LOW,
            trigger=Trigger.CHAIN,
        )

    def _is_all_done(self) -> bool:
        return self._done_at is not None and time.monotonic() - self._done_at < LOOK_AGAIN_SECONDS

    def _has_rested(self, context: Context) -> bool:
        if self._is_all_done():
            return False
        with reading():
            kinds = _active(context.session, context.config.machine)
            context.session.commit()
        if kinds - {"index"}:
            self._idle_since = None
        if kinds:
            return False
        moment = time.monotonic()
        if self._idle_since is None:
            self._idle_since = moment
        return moment - self._idle_since >= context.settings.auto_index_idle_seconds


def give_way(context: Context, queue: Redis, machines: dict[str, int]) -> list[int]:
    """End each index made unasked that keeps another job from its lane or from a worker.

    It is made another time. ``machines``: how many jobs each runs at once. Call it after an
    admission; returns the ids of the jobs that were asked to end. Commits.
    """
    session = context.session
    with reading():
        taken = lanes.taken(session) if _any_admitted(session) else []
        unasked = [job for job in taken if _is_unasked(job) and job.cancel_requested_at is None]
        waiting = _waiting(session, taken) if unasked else []
        kept = [
            job
            for job in unasked
            if any(_waits_for(job, each, taken, machines) for each in waiting)
        ]
        session.commit()
    for job in kept:
        job.options = {**job.options, GAVE_WAY: True}
        with suppress(Conflict):  # it has ended
            admission.cancel(session, queue, job)
    return [job.id for job in kept]


def _any_admitted(session: Session) -> bool:
    """Whether there is any to end at all: a cheap question, asked after each admission."""
    admitted = select(Job.id).where(
        Job.kind == "index", Job.status.in_(ACTIVE), Job.admitted_at.is_not(None)
    )
    return session.scalar(admitted.limit(1)) is not None


def _is_unasked(job: Job) -> bool:
    """By who and how urgent: a later try, which control makes by itself, keeps both."""
    is_nobodys = job.created_by is None and job.priority is Priority.LOW
    return job.kind == "index" and is_nobodys and job.is_active


def _waiting(session: Session, taken: list[Job]) -> list[Job]:
    """What a person or a schedule started and waits, but for the time of its next try, or for a
    mount."""
    moment = now()
    return [
        job
        for job in lanes.waiting(session)
        if not _is_unasked(job) and (job.not_before is None or job.not_before <= moment)
        if not _rests(job, taken)
    ]


def _rests(job: Job, taken: list[Job]) -> bool:
    lane = lanes.lane_of(job)
    return lanes.rests(job, (each for each in taken if (each.lane or lanes.lane_of(each)) == lane))


def _waits_for(job: Job, other: Job, taken: list[Job], machines: dict[str, int]) -> bool:
    if other.machine != job.machine:
        return False
    if lanes.lane_of(other) == job.lane and kind_of(other.kind).access == "exclusive":
        return True
    if not kind_of(other.kind).takes_slot:
        return False
    busy = sum(
        each.is_active and each.machine == job.machine and kind_of(each.kind).takes_slot
        for each in taken
    )
    return busy >= machines.get(job.machine, busy + 1)


def _active(session: Session, machine: str) -> set[str]:
    """The kinds of the jobs that wait or run there and keep it busy."""
    rows = session.scalars(select(Job).where(Job.status.in_(ACTIVE), Job.machine == machine)).all()
    taken = [job for job in rows if job.admitted_at is not None]
    return {job.kind for job in rows if kind_of(job.kind).takes_slot and not _rests(job, taken)}


def _next(context: Context) -> Archive | None:
    """The newest archive that has no index, unless that was given up: of those that a backup of
    ours made, or that are younger than the repository is known here (the backup's row may be gone).

    No transaction is open while the indexes are looked into, nor afterwards.
    """
    session = context.session
    with reading():
        given_up = _given_up(session)
        rows = session.execute(
            select(Archive.id, Archive.repository_id, Archive.borg_id)
            .join(Archive.repository)
            .where(
                or_(Archive.job_id.is_not(None), Archive.start >= Repository.created_at),
                Repository.status == "ready",
                Repository.machine == context.config.machine,
            )
            .order_by(Archive.start.desc(), Archive.id.desc())
        ).all()
        session.commit()
    indexed: dict[int, set[str]] = {}
    for row in rows:
        if row.repository_id not in indexed:
            indexed[row.repository_id] = contents.indexed_ids(context.config, row.repository_id)
        if row.id not in given_up and row.borg_id not in indexed[row.repository_id]:
            return _load(session, row.id)
    return None


def _load(session: Session, archive_id: int) -> Archive | None:
    """The archive with its repository, as they are now."""
    with reading():
        options = [joinedload(Archive.repository)]
        archive = session.get(Archive, archive_id, options=options, populate_existing=True)
        session.commit()
    return archive


def _given_up(session: Session) -> set[int]:
    """Archives that are not to be indexed unasked: a person has cancelled that, or it has failed
    lately, or often."""
    ended = select(Job.options, Job.status, Job.error_code, Job.completed_at).where(
        Job.kind == "index", Job.status.in_((Status.FAILED, Status.CANCELLED))
    )
    given_up: set[int] = set()
    failures: Counter[int] = Counter()
    lately = now() - REST_AFTER_FAILURE
    for options, status, code, completed_at in session.execute(ended):
        archive_id = options.get("archive_id")
        if not isinstance(archive_id, int) or options.get(GAVE_WAY) or code in PASSING:
            continue
        failures[archive_id] += 1
        is_late = completed_at is None or completed_at > lately
        if status == Status.CANCELLED or is_late or failures[archive_id] >= MOST_FAILURES:
            given_up.add(archive_id)
    return given_up
