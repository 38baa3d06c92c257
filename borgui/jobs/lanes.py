"""Lanes: what one job at a time may have, as borg's own locks, and why a job has to wait.

A lane is a repository's (by borg's id for it), or a machine's where a job has no repository.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from borgui.jobs import kind_of
from borgui.jobs.job import ACTIVE, Job, Status
from borgui.models import Settings, now


@dataclass
class Lanes:
    """Who holds and who waits for each lane, and how busy each machine is, during one admission."""

    holders: dict[str, list[Job]] = field(default_factory=dict)
    chains: dict[str, int] = field(default_factory=dict)
    """Lane → root of the chain that keeps it between its steps."""
    waiting: dict[str, Job] = field(default_factory=dict)
    """Lane → the first job that had to wait for it: later ones do not overtake. Not one that keeps
    nobody waiting: it takes no slot, or waits for those, or is a reader whose kind is at its
    limit."""
    writers: dict[str, Job] = field(default_factory=dict)
    """Lane → the first job that waits to write there: see :func:`writers`."""
    running: dict[str, int] = field(default_factory=dict)
    by_kind: dict[tuple[str, str], int] = field(default_factory=dict)

    def take(self, lane: str, job: Job) -> None:
        """Note that ``job`` holds ``lane`` and a slot of its machine."""
        self.holders.setdefault(lane, []).append(job)
        if job.is_active:
            self.running[job.machine] = self.running.get(job.machine, 0) + _slots(job)
            key = (job.machine, job.kind)
            self.by_kind[key] = self.by_kind.get(key, 0) + 1

    def blocked_by(self, lane: str, job: Job) -> str | None:
        """Why ``job`` cannot have ``lane`` now, in words; None when it can."""
        shared = kind_of(job.kind).access == "shared"
        for holder in self.holders.get(lane, ()):
            if not (shared and kind_of(holder.kind).access == "shared"):
                if holder.lane_held and not holder.is_active:
                    return f"waits for {describe(holder)}, whose machine is silent"
                return f"waits for {describe(holder)}"
        chain = self.chains.get(lane)
        if chain is not None:
            # Its own steps overtake whoever waits for the chain to end.
            own = chain in (job.parent_id, job.id)
            return None if own else f"waits for the steps that follow job #{chain}"
        writer = self.writers.get(lane)
        if writer is not None and not kind_of(job.kind).takes_slot:
            return f"waits for {describe(writer)}"
        first = self.waiting.get(lane)
        return f"waits behind {describe(first)}" if first is not None else None


def describe(job: Job) -> str:
    """``backup #12``, as reasons name a job."""
    return f"{kind_of(job.kind).label.lower()} #{job.id}"


def _slots(job: Job) -> int:
    return 1 if kind_of(job.kind).takes_slot else 0


def lane_of(job: Job) -> str:
    """The lane a job queues for: its repository's, else its machine's."""
    return job.repository.lane if job.repository else f"machine:{job.machine}"


def taken(session: Session) -> list[Job]:
    """The jobs that hold a lane: admitted and not ended, or ended on a machine that is silent.

    Two queries, each by its index: joined by OR they would read the whole history.
    """
    admitted = select(Job).where(Job.status.in_(ACTIVE), Job.admitted_at.is_not(None))
    held = select(Job).where(Job.lane_held.is_(True))
    return list(dict.fromkeys([*session.scalars(admitted), *session.scalars(held)]))


def waiting(session: Session) -> list[Job]:
    """The jobs that no machine has been given, the most urgent and oldest first, each with its
    repository."""
    wanted = select(Job).where(Job.status == Status.PENDING, Job.admitted_at.is_(None))
    ordered = wanted.order_by(Job.priority_rank, Job.id)
    return list(session.scalars(ordered.options(selectinload(Job.repository))))


def occupied(session: Session, rows: Sequence[Job] | None = None) -> Lanes:
    """Who holds which lane now, by the rows; ``rows`` are those of :func:`waiting`."""
    rows = waiting(session) if rows is None else rows
    lanes = Lanes(writers=writers(session, rows))
    for job in taken(session):
        lanes.take(job.lane or lane_of(job), job)
    moment = now()
    for step in rows:
        if step.parent_id is None:
            continue
        before = session.get(Job, step.after_id) if step.after_id else None
        begun = before is not None and (before.admitted_at is not None or not before.is_active)
        resting = step.not_before is not None and step.not_before > moment
        if begun and not resting:
            lanes.chains[lane_of(step)] = step.parent_id
    return lanes


def writers(session: Session, rows: Sequence[Job]) -> dict[str, Job]:
    """Lane → the first of ``rows`` (of :func:`waiting`) that is to write there, whatever it waits
    for, and because of which what takes no slot ends; not one whose time, or whose turn in its
    chain, has not come."""
    moment = now()
    found: dict[str, Job] = {}
    for job in rows:
        kind = kind_of(job.kind)
        is_due = job.not_before is None or job.not_before <= moment
        is_writer = kind.access == "exclusive" and not kind.is_patient(job)
        if is_due and is_writer and not _follows(session, job):
            found.setdefault(lane_of(job), job)
    return found


def _follows(session: Session, job: Job) -> bool:
    """Whether it is the turn of another step of its chain first."""
    before = session.get(Job, job.after_id) if job.after_id else None
    return before is not None and before.status in ACTIVE


def reason_to_wait(
    session: Session, settings: Settings, lanes: Lanes, alive: dict[str, int], job: Job
) -> str | None:
    """Why ``job`` cannot run now, in words; None when it can. Notes that it waits.

    ``alive`` maps each machine that reports to the number of jobs it runs at once.
    """
    if job.not_before and job.not_before > now():
        return f"tries again at {job.not_before:%H:%M:%S} UTC"
    if job.after_id is not None:
        before = session.get(Job, job.after_id)
        if before is not None and before.status != Status.COMPLETED:
            return f"follows {describe(before)}"
    lane = lane_of(job)
    reason = lanes.blocked_by(lane, job)
    keeps_others = kind_of(job.kind).takes_slot and not rests(job, lanes.holders.get(lane, ()))
    if reason is None:
        reason = _machine_busy(lanes, alive, job)
    if reason is None:
        reason = _at_limit(settings, lanes, job)
        keeps_others = keeps_others and kind_of(job.kind).access == "exclusive"
    if reason is not None and keeps_others:
        lanes.waiting.setdefault(lane, job)
    return reason


def rests(job: Job, holders: Iterable[Job]) -> bool:
    """Whether a job waits until those of ``holders``, of its lane, that take no slot have ended by
    themselves: nobody waits behind it, or makes room for it."""
    is_patient = job.admitted_at is None and kind_of(job.kind).is_patient(job)
    return is_patient and not all(_slots(each) for each in holders)


def _machine_busy(lanes: Lanes, alive: dict[str, int], job: Job) -> str | None:
    slots = alive.get(job.machine)
    if slots is None:
        return f"waits for a worker: none answers on {job.machine}"
    running = lanes.running.get(job.machine, 0)
    if slots == 0 and kind_of(job.kind).takes_slot:
        return f"waits for a worker: none runs on {job.machine}"
    if running >= slots and kind_of(job.kind).takes_slot:
        return f"waits for a free worker ({running} of {slots} busy)"
    return None


def _at_limit(settings: Settings, lanes: Lanes, job: Job) -> str | None:
    limit = kind_of(job.kind).limit(settings)
    count = lanes.by_kind.get((job.machine, job.kind), 0)
    if limit and count >= limit:
        label = kind_of(job.kind).label.lower()
        return f"waits: {count} of {limit} jobs of the kind {label} run on {job.machine}"
    return None
