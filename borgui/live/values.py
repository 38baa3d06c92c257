"""How values stand in Redis, and how they are read: what cannot be read is unknown."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def timestamp(moment: datetime | None = None) -> str:
    """ISO 8601 in UTC ending in ``Z``, to the millisecond."""
    moment = datetime.now(UTC) if moment is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(values: Mapping[str, object]) -> dict[Any, str]:
    """Values as Redis hash fields (by str): ``None`` is ``""``, dicts and lists are JSON."""
    return {name: _encode(value) for name, value in values.items()}


def _encode(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    return str(value)


def as_text(value: object) -> str | None:
    """A value of Redis as text, from a client of either sort; ``None`` for ``""``."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) and value else None


def integer(value: object) -> int | None:
    """A value of Redis as a whole number; ``None`` for what is none."""
    found = number(value)
    return None if found is None else int(found)


def number(value: object) -> float | None:
    """A value of Redis as a number; ``None`` for what is none, or absurd."""
    text = as_text(value)
    try:
        found = float(text) if text else None
    except ValueError:
        return None
    return found if found is not None and abs(found) < 1e18 else None  # also refuses nan


def as_json(value: object) -> Any:
    """What a value of Redis says as JSON; ``None`` where it says nothing that can be read."""
    try:
        return json.loads(as_text(value) or "null")
    except ValueError:
        return None
