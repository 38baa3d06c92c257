"""A job as the API and the pages show it: its row, with what Redis knows while it is active.

Unknown is None, never 0. Times are text, ISO 8601 in UTC with a ``Z``.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import redis

from borgui import live as live_data
from borgui.borg.display import IN_DETAIL
from borgui.jobs import kind_of
from borgui.jobs.job import Job
from borgui.live import Live

_LIVE = ("progress_percent", "progress_message", "current_file", "warning_count")


def iso(moment: datetime | None) -> str | None:
    """A moment as the API writes it, to the millisecond."""
    return None if moment is None else live_data.timestamp(moment)


def job_fields(job: Job, live: Live | None = None, *, browse: bool = True) -> dict[str, Any]:
    """What API.md calls "a job", with its kind's own fields; needs no deferred column.

    ``live`` counts only while the job is active, and only if it speaks of the present attempt.
    Without ``browse`` no file name is told.
    """
    kind = kind_of(job.kind)
    fields: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind,
        "status": str(job.status),
        "repository_id": job.repository_id,
        "repository_name": job.repository_name,
        "machine": job.machine,
        "trigger": str(job.trigger),
        "scheduled_job_id": job.scheduled_job_id,
        "parent_id": job.parent_id,
        "retry_of": job.retry_of,
        "priority": job.priority.value,
        "progress_percent": job.progress_percent,
        "progress_message": job.progress_message,
        "current_file": job.current_file,
        "wait_reason": job.wait_reason,
        "created_at": iso(job.created_at),
        "not_before": iso(job.not_before),
        "started_at": iso(job.started_at),
        "completed_at": iso(job.completed_at),
        "cancel_requested_at": iso(job.cancel_requested_at),
        "lane_held": job.lane_held,
        "error_code": job.error_code,
        "error_message": seen_reason(job.error_message, browse=browse),
        "warning_count": job.warning_count,
        "exit_code": job.exit_code,
        "process_pid": job.process_pid,
        "process_start_time": iso(job.process_start_time),
        **kind.fields(job),
    }
    if live is not None and job.is_active and live.attempt == job.attempt:
        _merge(fields, live, kind.progress)
    if not browse:
        fields |= dict.fromkeys(("current_file", *(set(kind.naming) & fields.keys())))
    return fields


def seen_reason(message: str | None, *, browse: bool) -> str | None:
    """Why something failed, for who may see file names or not: borg's own words hold them, and
    so may what Python says of a fault of ours."""
    if browse or message is None:
        return message
    ours = message.partition("borg says:")[0].partition(IN_DETAIL)[0].strip()
    return ours if ours and "/" not in ours else "The reason names files: an operator can see it."


def job_detail(job: Job, live: Live | None = None, *, browse: bool = True) -> dict[str, Any]:
    """:func:`job_fields`, and what only the job's own page shows.

    ``warnings`` (at most 500) are ``{"path", "message", "msgid"}``, and after them what
    ``warning_count`` does not count: notes on what borgui did, with the msgid ``borgui.note``.
    ``command`` is the borg command line with secrets masked. Without ``browse`` both are None: they
    name files.
    """
    kind = kind_of(job.kind)
    details = kind.details(job)
    if not browse:
        details |= dict.fromkeys(set(kind.naming) & details.keys())
    return {
        **job_fields(job, live, browse=browse),
        **details,
        "warnings": job.warnings if browse else None,
        "command": job.command if browse else None,
        "log_size": job.log_size,
    }


def live_of(client: redis.Redis, jobs: Sequence[Job]) -> dict[int, Live]:
    """What Redis knows of those of ``jobs`` that are active, by id; empty while it is away."""
    active = [job.id for job in jobs if job.is_active and job.attempt]
    if not active:
        return {}
    try:
        return live_data.read_many(client, active)
    except redis.RedisError:
        return {}


def _merge(fields: dict[str, Any], live: Live, progress: tuple[str, ...]) -> None:
    for name in (*_LIVE, *progress):
        value = getattr(live, name, None)
        if value is not None:
            fields[name] = value
    if live.pid is not None:  # of the run there is now: the row has that of the first
        fields["process_pid"] = live.pid
        fields["process_start_time"] = live.start_time
