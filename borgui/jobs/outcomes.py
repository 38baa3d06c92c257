"""What borg printed, read from a worker's outcome."""

import json
from typing import Any

from borgui.borg.output import Created, Listed, parse_create, parse_info, parse_list
from borgui.jobs.kind import Outcome


def created(outcome: Outcome) -> Created | None:
    """What ``borg create`` said of the archive it made; None when it made none."""
    raw = _result(outcome, "create")
    return None if raw is None else parse_create(raw)


def listed(outcome: Outcome) -> Listed | None:
    """What ``borg list`` said of the repository and its archives."""
    raw = _result(outcome, "list")
    return None if raw is None else parse_list(raw)


def described(outcome: Outcome) -> Listed | None:
    """What ``borg info`` said of the repository and some archives, with their sizes."""
    raw = _result(outcome, "info")
    return None if raw is None else parse_info(raw)


def told(outcome: Outcome, step: str) -> dict[str, Any]:
    """The step's part of the outcome's ``result``; empty where it has none."""
    return (outcome.get("result") or {}).get(step) or {}


def _result(outcome: Outcome, step: str) -> bytes | None:
    found: Any = (outcome.get("result") or {}).get(step)
    return None if found is None else json.dumps(found).encode()
