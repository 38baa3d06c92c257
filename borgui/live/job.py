"""The live state of jobs, the tails of their logs, and wishes to cancel them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, cast

from redis import Redis

from borgui.borg.figures import Figures
from borgui.live.values import as_json, as_text, encode, integer, number, timestamp

DAY = 86_400
TAIL_LIMIT = 256 * 1024
TAIL_KEEP = 128 * 1024
"""A tail longer than ``TAIL_LIMIT`` bytes is cut to its last ``TAIL_KEEP``."""


FRESH = 15
"""Seconds that the hash of a running job is believed: all of it is written every five."""


def job_key(job: int) -> str:
    """Hash: the live state of a job (:class:`Live`)."""
    return f"borgui:job:{job}"


def log_key(job: int) -> str:
    """String: the last bytes of a job's log, from ``log_base`` to ``log_end`` of its hash."""
    return f"borgui:log:{job}"


def cancel_key(job: int) -> str:
    """String: the attempt to be cancelled, or ``any``."""
    return f"borgui:cancel:{job}"


@dataclass(frozen=True, slots=True)
class Live(Figures):
    """The live state of one job. Times in ISO 8601 UTC."""

    attempt: int | None = None
    status: str | None = None
    step: str | None = None
    pid: int | None = None
    start_time: str | None = None
    horse_pid: int | None = None
    mounted_at: str | None = None
    warning_count: int | None = None
    cancelling: int | None = None
    """1 once its worker has seen the wish to cancel."""
    log_base: int | None = None
    log_end: int | None = None
    updated_at: str | None = None
    outcome: dict[str, Any] | None = None
    kind: str | None = None
    machine: str | None = None
    repository_id: int | None = None
    repository_name: str | None = None
    label: str | None = None
    created_at: str | None = None

    @classmethod
    def decode(cls, raw: Mapping[Any, Any]) -> "Live":
        """Read a hash, whatever is missing or odd in it: what cannot be read is unknown."""
        found: dict[str, Any] = {}
        for key, value in raw.items():
            name = as_text(key) or ""
            if name in _READERS:
                found[name] = _READERS[name](value)
        if not isinstance(found.get("outcome"), dict):
            found["outcome"] = None
        return cls(**found)


_READERS: dict[str, Callable[[object], Any]] = {
    each.name: {"int": integer, "float": number, "str": as_text, "dict[str, typing.Any]": as_json}[
        str(each.type).removesuffix(" | None")
    ]
    for each in fields(Live)
}


def announce(redis: Redis, job: int, *, attempt: int, **facts: object) -> None:
    """Say that this attempt is on its way to a worker, before it is enqueued.

    ``facts`` are fields of :class:`Live` that the runner does not know (``kind``, ``label`` …).
    What an earlier attempt left is forgotten; a wish to cancel stands.
    """
    values = {
        name: timestamp(value) if isinstance(value, datetime) else value
        for name, value in facts.items()
    }
    pipeline = redis.pipeline(transaction=True)
    pipeline.delete(job_key(job), log_key(job))
    pipeline.hset(job_key(job), mapping=encode({"status": "pending", "attempt": attempt, **values}))
    pipeline.execute()


def read(redis: Redis, job: int) -> Live | None:
    """The live state of ``job``, or ``None`` when Redis knows nothing of it."""
    raw = read_state(redis, job)
    return Live.decode(raw) if raw else None


def read_state(redis: Redis, job: int) -> dict[str, str]:
    """The hash as it stands, for :meth:`Live.decode`; empty when Redis knows nothing of ``job``."""
    return cast("dict[str, str]", redis.hgetall(job_key(job)))


def read_many(redis: Redis, jobs: list[int]) -> dict[int, Live]:
    """The live states of several jobs in one round trip; those unknown are left out."""
    if not jobs:
        return {}
    pipeline = redis.pipeline(transaction=False)
    for job in jobs:
        pipeline.hgetall(job_key(job))
    answers = pipeline.execute()
    return {job: Live.decode(raw) for job, raw in zip(jobs, answers, strict=True) if raw}


def is_fresh(updated_at: str | None) -> bool:
    """Whether a hash written at ``updated_at`` tells what is now: who wrote it may have died."""
    try:
        written = datetime.fromisoformat(updated_at or "")
    except ValueError:
        return False
    return written.tzinfo is not None and abs(datetime.now(UTC) - written).total_seconds() < FRESH


def end(redis: Redis, job: int, status: str) -> None:
    """Say that ``job`` has ended, where no horse is there to say so; it is forgotten in a day."""
    pipeline = redis.pipeline(transaction=True)
    pipeline.hset(job_key(job), "status", status)
    pipeline.expire(job_key(job), DAY)
    pipeline.expire(log_key(job), DAY)
    pipeline.execute()


def write_outcome(redis: Redis, outcome: Mapping[str, Any]) -> None:
    """Put an outcome in its job's hash, for a day: what a horse does when its job ends."""
    key = job_key(outcome["job"])
    state = {name: outcome[name] for name in ("attempt", "status")}
    pipeline = redis.pipeline(transaction=True)
    pipeline.hset(key, mapping=encode({**state, **outcome["progress"], "outcome": outcome}))
    pipeline.expire(key, DAY)
    pipeline.expire(log_key(outcome["job"]), DAY)
    pipeline.execute()


@dataclass(frozen=True, slots=True)
class Tail:
    """A piece of a log: ``data`` are the bytes from ``base`` to ``end`` of the whole log."""

    base: int
    end: int
    data: bytes


def read_tail(redis: Redis, job: int, offset: int = 0) -> Tail | None:
    """What Redis holds of the log from byte ``offset`` on; ``None`` when it holds no log.

    ``base`` lies beyond ``offset`` when what is asked for was trimmed away: the file has it.
    """
    pipeline = redis.pipeline(transaction=True)
    pipeline.hmget(job_key(job), "log_base", "log_end")
    pipeline.get(log_key(job))
    (raw_base, raw_end), raw = pipeline.execute()
    base, end = integer(raw_base), integer(raw_end)
    if base is None or end is None:
        return None
    data = raw if isinstance(raw, bytes) else (raw or "").encode("utf-8", "surrogateescape")
    skip = min(max(offset - base, 0), len(data))
    return Tail(base + skip, base + len(data), data[skip:])


def request_cancel(redis: Redis, job: int, attempt: int | None = None) -> None:
    """Ask the runner to end ``job``; it looks every half second. Forgotten after a day."""
    redis.set(cancel_key(job), "any" if attempt is None else str(attempt), ex=DAY)


def is_cancelled(flag: object, attempt: int) -> bool:
    """Whether the value of a cancel key means this attempt."""
    return as_text(flag) in {"any", str(attempt)}
