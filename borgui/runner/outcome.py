"""What a job's run came to: a JSON object, kept as a file until control has settled it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from borgui import durable, live

MOST_NAMED = 500
"""So many names of one sort an outcome tells; all are counted."""

WORKER_KILLED = ("worker_killed", "The worker was killed.")
STOPPED = ("stopped", "borgui was stopped while this job ran.")
RESTARTED = ("restarted", "borgui was restarted while this job ran.")


def new(job: int, attempt: int, machine: str, **facts: object) -> dict[str, Any]:
    """An outcome with every field it has; ``facts`` replace what is known better.

    ``steps``: the names of those whose program was started, in order; None where nobody knows.
    """
    outcome: dict[str, Any] = {
        "job": job,
        "attempt": attempt,
        "machine": machine,
        "status": "failed",
        "exit_code": None,
        "error_code": None,
        "error_message": None,
        "retryable": False,
        "warning_count": 0,
        "warnings": [],
        "notes": [],
        "unread_sources": [],
        "started_at": None,
        "completed_at": live.timestamp(),
        "borg_pid": None,
        "borg_start_time": None,
        "command": None,
        "steps": None,
        "log": "",
        "log_size": 0,
        "log_truncated": False,
        "progress": {},
        "result": {},
    }
    return outcome | facts


def path(folder: Path, job: int) -> Path:
    """Where the outcome of ``job`` lies."""
    return folder / f"{job}.outcome.json"


def write(folder: Path, outcome: dict[str, Any]) -> None:
    """Keep the outcome, on disk before this returns. Raises OSError."""
    durable.replace(path(folder, outcome["job"]), json.dumps(outcome).encode())


def read(folder: Path, job: int) -> dict[str, Any] | None:
    """The outcome kept for ``job``, if there is one."""
    try:
        outcome = json.loads(path(folder, job).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return outcome if isinstance(outcome, dict) else None


def kept(folder: Path) -> Iterator[dict[str, Any]]:
    """Every outcome that control has not settled."""
    for each in sorted(folder.glob("*.outcome.json")):
        name = each.name.partition(".")[0]
        outcome = read(folder, int(name)) if name.isdigit() else None
        if outcome is not None:
            yield outcome
