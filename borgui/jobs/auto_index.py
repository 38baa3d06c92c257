"""Indexes made unasked: of what backups made, once a machine has rested for a while.

Control asks :meth:`AutoIndex.consider` every few seconds. It starts one job at a time, of low
priority: whatever a person or a schedule starts meanwhile is served before the next one.
"""

import time
from collections.abc import Iterator

from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from borgui import contents
from borgui.errors import Unavailable
from borgui.jobs import admission, kind_of
from borgui.jobs.job import ACTIVE, Job, Priority, Status, Trigger
from borgui.jobs.kind import Context
from borgui.models import Archive, Repository


class AutoIndex:
    """What control remembers of it; lost with it, without harm."""

    def __init__(self) -> None:
        self._idle_since: float | None = None
        self._is_all_done = False

    def job_ended(self, job: Job | None) -> None:
        """Look again, after a rest unless it was only an index that was made."""
        self._is_all_done = False
        if job is None or job.kind != "index":
            self._idle_since = None

    def consider(self, context: Context, queue: Redis) -> Job | None:
        """Start the next job that is due, if the machine has rested for long enough. Commits."""
        settings = context.settings
        if not settings.auto_index or not self._has_rested(context):
            return None
        archive = _next(context)
        if archive is None:
            self._is_all_done = True
            return None
        try:
            return admission.start(
                context.session,
                queue,
                kind_of("index"),
                archive.repository,
                options={"archive_id": archive.id, "archive": archive.name},
                priority=Priority.LOW,
                trigger=Trigger.CHAIN,
            )
        except Unavailable:
            return None  # Redis is away: the next sweep tries again

    def _has_rested(self, context: Context) -> bool:
        if self._is_all_done:
            return False
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


def _active(session: Session, machine: str) -> set[str]:
    """The kinds of the jobs that wait or run there."""
    wanted = select(Job.kind).where(Job.status.in_(ACTIVE), Job.machine == machine)
    return set(session.scalars(wanted.distinct()))


def _next(context: Context) -> Archive | None:
    """The newest archive that a backup made and that has no index, unless that failed before.

    No transaction is open while the indexes are looked into, nor afterwards.
    """
    session = context.session
    tried = set(_tried(session))
    rows = session.scalars(
        select(Archive)
        .join(Archive.repository)
        .options(contains_eager(Archive.repository))
        .where(
            Archive.job_id.is_not(None),
            Repository.status == "ready",
            Repository.machine == context.config.machine,
        )
        .order_by(Archive.start.desc(), Archive.id.desc())
    ).all()
    for row in rows:
        session.refresh(row.repository)
    session.commit()
    indexed: dict[int, set[str]] = {}
    for row in rows:
        if row.repository_id not in indexed:
            indexed[row.repository_id] = contents.indexed_ids(context.config, row.repository_id)
        if row.id not in tried and row.borg_id not in indexed[row.repository_id]:
            return row
    return None


def _tried(session: Session) -> Iterator[int]:
    """Archives whose index was given up, by borg or by a person: not again unasked."""
    ended = select(Job.options).where(
        Job.kind == "index", Job.status.in_((Status.FAILED, Status.CANCELLED))
    )
    for options in session.scalars(ended):
        archive_id = options.get("archive_id")
        if isinstance(archive_id, int):
            yield archive_id
