"""The last part of a job's way: a worker's outcome becomes the row's end, in one transaction.

Called by control alone, as often as anyone likes: only the first call for a row does anything.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.orm import Session, joinedload

from borgui.jobs import kind_of
from borgui.jobs.admission import stop_chain
from borgui.jobs.job import ACTIVE, NOTE, Job, Status, Trigger, move
from borgui.jobs.kind import Context, Outcome, Refused
from borgui.jobs.refresh import list_anew
from borgui.models import now

LIVE_COLUMNS = ("progress_percent", "progress_message", "current_file")
"""Columns of the base row that an outcome's ``progress`` carries under the same name."""


def mark_started(session: Session, job_id: int, attempt: int, info: Mapping[str, Any]) -> bool:
    """Move an admitted row to ``running``, with borg's pid and start. Commits."""
    moved = move(
        session,
        job_id,
        Status.PENDING,
        attempt=attempt,
        values={
            "status": Status.RUNNING,
            # It had been given up for lost and put back, wrongly: its lane is taken again.
            "admitted_at": func.coalesce(Job.admitted_at, now()),
            "started_at": moment(info.get("started_at")) or now(),
            "process_pid": info.get("pid"),
            "process_start_time": moment(info.get("start_time")),
            "command": info.get("command"),
            "wait_reason": None,
        },
    )
    session.commit()
    return moved


def finish(context: Context, job_id: int, outcome: Outcome, *, lane_held: bool = False) -> bool:
    """Flush ``outcome`` to the row and do what follows from it. Commits.

    Returns whether the row ended by this call: an outcome of an earlier attempt, or of a row that
    has ended, changes nothing. ``lane_held``: its lane is not to be given to others yet.
    """
    session = context.session
    outcome = storable(outcome)
    job = session.get(Job, job_id, populate_existing=True, options=[joinedload(Job.repository)])
    if job is None or not job.is_active or job.attempt != outcome.get("attempt"):
        session.rollback()
        return False
    kind = kind_of(job.kind)
    verdict = _verdict(job, outcome) | {"lane_held": lane_held}
    # What was left to do is nothing now, however it ended.
    progress = {**(outcome.get("progress") or {}), "eta_seconds": None}
    try:
        with session.begin_nested():
            for name in kind.progress:
                setattr(job, name, progress.get(name))
            kind.settle(session, job, outcome)
    except Refused as refused:
        refusal = {
            "status": Status.FAILED,
            "error_code": refused.code,
            "error_message": refused.message,
        }
        verdict |= refusal
        kind.settle(session, job, {**outcome, **refusal, "result": {}})
    if verdict["status"] != Status.FAILED and (said := kind.last_word(job)) is not None:
        verdict["progress_message"] = said
    if not move(session, job.id, *ACTIVE, attempt=job.attempt, values=verdict):
        session.rollback()
        return False
    session.flush()
    session.expire(job)
    if verdict["status"] != Status.COMPLETED:
        if not _try_again(context, job, outcome):
            stop_chain(session, job)
        list_anew(session, kind, job, outcome)
    session.commit()
    return True


def _verdict(job: Job, outcome: Outcome) -> dict[str, Any]:
    progress = outcome.get("progress") or {}
    notes = [{"path": None, "message": note, "msgid": NOTE} for note in outcome.get("notes") or ()]
    values: dict[str, Any] = {
        "status": Status(outcome["status"]),
        "error_code": outcome.get("error_code"),
        "error_message": outcome.get("error_message"),
        "exit_code": outcome.get("exit_code"),
        "warning_count": outcome.get("warning_count") or 0,
        "warnings": [*(outcome.get("warnings") or ()), *notes],
        "started_at": job.started_at or moment(outcome.get("started_at")),
        "completed_at": moment(outcome.get("completed_at")) or now(),
        "process_pid": outcome.get("borg_pid") or job.process_pid,
        "process_start_time": moment(outcome.get("borg_start_time")) or job.process_start_time,
        "command": outcome.get("command") or job.command,
        "log": outcome.get("log"),
        "log_size": outcome.get("log_size"),
        "wait_reason": None,
    }
    values |= {name: progress.get(name) for name in LIVE_COLUMNS}
    if values["status"] is Status.COMPLETED:
        values |= {"progress_percent": 100.0, "current_file": None, "progress_message": None}
    return values


def _try_again(context: Context, job: Job, outcome: Outcome) -> bool:
    """Make a later try of a job that failed for a cause that passes; whether it did."""
    settings = context.settings
    passing = outcome.get("retryable") and job.status == Status.FAILED
    if not passing or job.tries >= settings.retry_limit or job.cancel_requested_at:
        return False
    kind = kind_of(job.kind)
    again = kind.new(
        repository_id=job.repository_id,
        repository_name=job.repository_name,
        machine=job.machine,
        options=dict(job.options),
        priority_rank=job.priority_rank,
        trigger=Trigger.RETRY,
        created_by=job.created_by,
        scheduled_job_id=job.scheduled_job_id,
        parent_id=job.parent_id,
        after_id=job.after_id,
        retry_of=job.id,
        tries=job.tries + 1,
        not_before=now() + timedelta(seconds=settings.retry_delay_seconds * 2**job.tries),
    )
    context.session.add(again)
    context.session.flush()
    context.session.execute(update(Job).where(Job.after_id == job.id).values(after_id=again.id))
    return True


def storable(value: Any) -> Any:
    """``value`` (JSON) with what no database takes as text replaced: halves of a character, which
    stand for bytes that are no UTF-8, and NUL."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "?")
    if isinstance(value, Mapping):
        return {name: storable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [storable(each) for each in value]
    return value


def moment(text: Any) -> datetime | None:
    """An ISO 8601 time with its zone; None where ``text`` is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return value if value.tzinfo else None
