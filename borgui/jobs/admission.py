"""The first half of a job's way: a row is made, waits for its lane, and is handed to a machine.

``start``, ``cancel`` and ``retry`` are called by web, API and schedules; ``admit`` by control.
"""

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

from redis import Redis, RedisError
from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from borgui import live, queueing
from borgui.borg.commands import CommandError
from borgui.borg.display import IN_DETAIL
from borgui.errors import Conflict
from borgui.jobs import kind_of
from borgui.jobs.job import ACTIVE, Job, Priority, Status, Trigger, move
from borgui.jobs.kind import Context, Kind, Refused
from borgui.jobs.lanes import lane_of, occupied, reason_to_wait, waiting
from borgui.models import Repository, Settings, now, read_settings, reading
from borgui.security.sealing import SealError, seal_spec

IDEMPOTENCY_WINDOW = timedelta(days=1)
_MOVED = ("admitted_at", "attempt", "lane", "wait_reason", "cancel_requested_at")
"""What an admission changes of a row, and what may have come to it meanwhile."""
CANCEL_GRACE = 10
"""Seconds between SIGTERM and SIGKILL."""
KEY_CHANGED = (
    "The repository's passphrase was sealed with another key than the one borgui has now. Put that"
    " key back (secret.key, or BORGUI_SECRET_KEY), or enter the passphrase again in the"
    " repository's settings. Borg was not started."
)

log = logging.getLogger("borgui.control")


def start(  # noqa: PLR0913 - the arguments are the job's own columns
    session: Session,
    queue: Redis,
    kind: Kind,
    repository: Repository | None,
    *,
    options: dict[str, Any] | None = None,
    priority: Priority = Priority.DEFAULT,
    trigger: Trigger = Trigger.MANUAL,
    user_id: int | None = None,
    idempotency_key: str | None = None,
    retry_of: Job | None = None,
    machine: str = "local",
) -> Job:
    """Insert a pending job, commit the session with it, and tell control.

    Raises :class:`Conflict` when the repository is not ready, or is to be made so again, or when
    the ``idempotency_key`` has started something else. Once committed, the job will run whatever
    fails after: control's sweep finds it. The same ``idempotency_key`` within a day answers the job
    it made the first time.
    """
    if idempotency_key and (known := made_before(session, idempotency_key)):
        return _same(known, kind, repository, retry_of)
    session.flush()  # a repository that was added just now has its defaults only then
    if repository and kind.needs_ready and repository.status != "ready":
        raise Conflict("repository_not_ready", f"{repository.name} is not ready yet.")
    if repository and kind.opens and repository.status == "ready":
        raise Conflict("repository_ready", f"{repository.name} is ready; there is nothing to do.")
    if repository and kind.needs_idle:
        _require_idle(session, repository)
    job = kind.new(
        repository=repository,
        repository_name=repository.name if repository else "",
        machine=repository.machine if repository else machine,
        options=options or {},
        priority_rank=priority.rank,
        trigger=trigger,
        created_by=user_id,
        idempotency_key=idempotency_key,
        retry_of=retry_of.id if retry_of else None,
    )
    kind.begin(job)
    session.add(job)
    try:
        session.commit()
    except IntegrityError:
        session.rollback()
        known = made_before(session, idempotency_key) if idempotency_key else None
        if known is None:
            raise
        return _same(known, kind, repository, retry_of)
    nudge(queue)
    return job


def retry(
    session: Session,
    queue: Redis,
    job: Job,
    *,
    user_id: int | None = None,
    idempotency_key: str | None = None,
) -> Job:
    """Start a failed or cancelled job anew, as a row that names its origin."""
    if job.status not in (Status.FAILED, Status.CANCELLED):
        raise Conflict("job_not_ended", "Only a failed or cancelled job can be started again.")
    if job.repository_id is None and job.repository_name:
        raise Conflict("repository_forgotten", "Its repository is no longer here.")
    return start(
        session,
        queue,
        kind_of(job.kind),
        job.repository,
        options=dict(job.options),
        priority=job.priority,
        trigger=Trigger.RETRY,
        user_id=user_id,
        idempotency_key=idempotency_key,
        retry_of=job,
        machine=job.machine,
    )


def cancel(session: Session, queue: Redis, job: Job) -> Job:
    """Cancel a job: at once while it waits, else by asking its worker. Commits.

    Raises :class:`Conflict` when it has ended.
    """
    ended = end_waiting(session, job, Status.CANCELLED, None, None)
    asked = ended or move(session, job.id, *ACTIVE, values={"cancel_requested_at": now()})
    if not asked:
        session.rollback()
        raise Conflict("job_ended", "This job has ended already.")
    session.commit()
    if not ended:
        try:
            live.request_cancel(queue, job.id)
        except RedisError:
            log.warning("the wish to cancel job %s is sent again by control's sweep", job.id)
    nudge(queue)
    session.refresh(job)
    return job


def end_waiting(
    session: Session, job: Job, status: Status, code: str | None, message: str | None
) -> bool:
    """End a job that no machine has been given, and the steps that were to follow it.

    Returns whether it was still waiting; the caller commits.
    """
    ended = {
        "status": status,
        "error_code": code,
        "error_message": message,
        "completed_at": now(),
        "wait_reason": None,
    }
    waiting = (
        update(Job)
        .where(Job.id == job.id, Job.status == Status.PENDING, Job.admitted_at.is_(None))
        .values(**ended)
        .execution_options(synchronize_session=False)
    )
    if cast("CursorResult[Any]", session.execute(waiting)).rowcount != 1:
        return False
    session.refresh(job)
    kind_of(job.kind).settle(session, job, {"attempt": job.attempt, **ended})
    stop_chain(session, job)
    return True


def stop_chain(session: Session, job: Job) -> None:
    """Cancel the steps that were to follow ``job``, each with the reason. The caller commits."""
    message = f"{kind_of(job.kind).label} #{job.id} did not complete."
    following = session.scalars(
        select(Job).where(Job.after_id == job.id, Job.status == Status.PENDING)
    ).all()
    for step in following:
        end_waiting(session, step, Status.CANCELLED, "chain_stopped", message)


def nudge(queue: Redis) -> None:
    """Tell control that something may be ready. A lost nudge is mended by control's sweep."""
    try:
        queueing.nudge_control(queue)
    except RedisError:
        queueing.log.warning("control could not be told; its sweep will find the job")


def _require_idle(session: Session, repository: Repository) -> None:
    """What takes no slot is no hindrance: it is ended where it is in the way."""
    others = select(Job).where(Job.repository_id == repository.id, Job.status.in_(ACTIVE))
    busy = [job.id for job in session.scalars(others) if kind_of(job.kind).takes_slot]
    if busy:
        raise Conflict("repository_busy", f"Job #{busy[0]} of this repository waits or runs.")


def made_before(session: Session, key: str) -> Job | None:
    """The job this key made within the last day."""
    earlier = session.scalar(select(Job).where(Job.idempotency_key == key))
    if earlier and now() - earlier.created_at > IDEMPOTENCY_WINDOW:
        earlier.idempotency_key = None
        session.flush()
        return None
    return earlier


def _same(
    known: Job, kind: Kind, repository: Repository | None, retry_of: Job | None = None
) -> Job:
    """``known``, unless its key was used for something else: that must not look like a start."""
    asked = kind.name, repository.id if repository else None, retry_of.id if retry_of else None
    if (known.kind, known.repository_id, known.retry_of) != asked:
        raise Conflict("key_used", "This Idempotency-Key has started another job.")
    return known


def admit(context: Context, queue: Redis, alive: dict[str, int]) -> list[int]:
    """Hand every job that may run now to its machine; returns their ids.

    ``alive`` maps each machine that reports to the number of jobs it runs at once. Commits; no
    transaction is open before.
    """
    admitted: list[tuple[Job, str]] = []
    while True:
        plan = _plan(context, alive)
        taken = _carry_out(replace(context, settings=plan.settings), plan)
        admitted += taken
        if len(taken) == len(plan.chosen):
            break  # else one that could not be prepared kept others from its lane
    for job, sealed in admitted:
        hand_over(queue, job, sealed)
    return [job.id for job, _ in admitted]


@dataclass
class _Plan:
    """Which jobs may run now, and what those that may not are to be told.

    ``settings`` are no older than the jobs: one that was started after the roots were narrowed must
    not be prepared by what this call of control had read before.
    """

    settings: Settings
    chosen: list[Job] = field(default_factory=list)
    reasons: list[tuple[Job, str]] = field(default_factory=list)
    failed: list[tuple[Job, Exception]] = field(default_factory=list)


def _plan(context: Context, alive: dict[str, int]) -> _Plan:
    """Only control admits and ends jobs, so what is read here holds until it is carried out, but
    that a person may cancel meanwhile. The write lock is left to who starts jobs."""
    session = context.session
    with reading():
        rows = waiting(session)
        plan = _Plan(read_settings(session))
        lanes = occupied(session, rows)
        for job in rows:
            try:
                reason = reason_to_wait(session, plan.settings, lanes, alive, job)
            except (OperationalError, queueing.TimeUp):
                raise  # the database is locked, full or slow, which is no fault of this job
            except Exception as error:
                plan.failed.append((job, error))
                continue
            if reason is None:
                lanes.take(lane_of(job), job)
                plan.chosen.append(job)
            elif reason != job.wait_reason:
                plan.reasons.append((job, reason))
        session.commit()
    return plan


def _carry_out(context: Context, plan: _Plan) -> list[tuple[Job, str]]:
    """The jobs of ``plan`` that were admitted, each with its sealed spec. Commits."""
    session = context.session
    admitted = []
    for job, error in plan.failed:
        _fail(session, job, error)
    for job in plan.chosen:
        try:
            with session.begin_nested():
                sealed = _admit_one(context, job)
        except (OperationalError, queueing.TimeUp):
            raise
        except Exception as error:
            _fail(session, job, error)
        else:
            if sealed is not None:
                admitted.append((job, sealed))
    _tell_reasons(session, plan.reasons)
    session.commit()
    return admitted


def _tell_reasons(session: Session, reasons: list[tuple[Job, str]]) -> None:
    """To jobs that still wait. Many wait for the same: told one by one, twenty would keep who
    starts the next from the write lock for 8 ms."""
    told: dict[str, list[Job]] = {}
    for job, reason in reasons:
        told.setdefault(reason, []).append(job)
    for reason, jobs in told.items():
        still = (Job.status == Status.PENDING, Job.admitted_at.is_(None))
        session.execute(
            update(Job)
            .where(Job.id.in_([job.id for job in jobs]), *still)
            .values(wait_reason=reason)
            .execution_options(synchronize_session=False)
        )
        for job in jobs:
            set_committed_value(job, "wait_reason", reason)


def _fail(session: Session, job: Job, error: Exception) -> None:
    """End a job that cannot even be prepared: those behind it must not wait for it for ever."""
    log.error("job %s cannot be prepared", job.id, exc_info=error)
    message = f"borgui itself failed to prepare this job. {IN_DETAIL} {error!r}"
    try:
        with session.begin_nested():
            end_waiting(session, job, Status.FAILED, "internal_error", message)
    except (OperationalError, queueing.TimeUp):
        raise
    except Exception:
        log.exception("job %s ends without telling its repository", job.id)
        values = {"status": Status.FAILED, "error_code": "internal_error"}
        ended = {"error_message": message, "completed_at": now(), "wait_reason": None}
        move(session, job.id, Status.PENDING, values=values | ended)


def announce(queue: Redis, job: Job, *, attempt: int) -> None:
    """Say in Redis that ``attempt`` is the one that counts: a worker drops an earlier one."""
    live.announce(
        queue,
        job.id,
        attempt=attempt,
        kind=job.kind,
        machine=job.machine,
        repository_id=job.repository_id,
        repository_name=job.repository_name,
        label=kind_of(job.kind).label,
        created_at=job.created_at,
    )


def hand_over(queue: Redis, job: Job, sealed: str) -> None:
    """Write the live hash and enqueue the run. A failure here is mended by reconcile."""
    try:
        announce(queue, job, attempt=job.attempt)
        if job.cancel_requested_at:
            live.request_cancel(queue, job.id)
        name, function = way_of(job)
        call_id = queueing.run_id(job.id, job.attempt)
        queueing.enqueue(queue, name, function, job.id, job.attempt, sealed, call_id=call_id)
    except RedisError:
        queueing.log.warning("job %s could not be handed over; reconcile will", job.id)


def way_of(job: Job) -> tuple[str, str]:
    """The queue that brings a job to its machine, and the function that runs it there."""
    if kind_of(job.kind).takes_slot:
        return queueing.machine_queue(job.machine, job.priority), queueing.RUN_JOB
    return queueing.quick_queue(job.machine), queueing.RUN_BESIDE


def _admit_one(context: Context, job: Job) -> str | None:
    kind = kind_of(job.kind)
    try:
        steps = kind.steps(context, job)
    except Refused as refused:
        end_waiting(context.session, job, Status.FAILED, refused.code, refused.message)
        return None
    except CommandError as error:
        end_waiting(context.session, job, Status.FAILED, "command_refused", str(error))
        return None
    except SealError:
        end_waiting(context.session, job, Status.FAILED, "key_changed", KEY_CHANGED)
        return None
    lane = lane_of(job)
    attempt = job.attempt + 1
    claimed = move(
        context.session,
        job.id,
        Status.PENDING,
        attempt=job.attempt,
        values={"admitted_at": now(), "attempt": attempt, "lane": lane, "wait_reason": None},
    )
    if not claimed:
        return None
    context.session.refresh(job, _MOVED)
    return seal_spec(
        {
            "job": job.id,
            "attempt": attempt,
            "machine": job.machine,
            "kind": job.kind,
            "time_limit": kind.time_limit(context.settings) or None,
            "cancel_grace": CANCEL_GRACE,
            "secrets": sorted({secret for step in steps for secret in step["passphrases"]}),
            "steps": steps,
        },
        context.keys.transport(job.machine),
        job.id,
        attempt,
        job.machine,
    )
