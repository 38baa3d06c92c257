"""What lives in Redis while jobs run: key names, shapes, and how they are read.

Redis holds nothing that may not be lost: live progress, the tail of a log, a wish to cancel,
what a machine says of itself. Written by the runner, read by web and control.
Absent and ``""`` both mean *unknown*, and are read as ``None``, never as zero.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, cast

from redis import Redis
from redis._parsers import Encoder
from redis.backoff import NoBackoff
from redis.connection import PythonRespSerializer
from redis.retry import Retry

DAY = 86_400
ANSWER_TTL = 60
MACHINE_TTL = 30
"""Seconds a machine report is believed. It is written every few seconds."""
TAIL_LIMIT = 256 * 1024
TAIL_KEEP = 128 * 1024
"""A tail longer than ``TAIL_LIMIT`` bytes is cut to its last ``TAIL_KEEP``."""
EPOCH_KEY = "borgui:epoch"


_ENCODER = Encoder("utf-8", "surrogateescape", decode_responses=False)  # type: ignore[no-untyped-call]

PLAIN: dict[str, Any] = {
    "retry": Retry(NoBackoff(), 1),
    "protocol": 2,
    "driver_info": None,
    # hiredis' own would fail on a name that is no UTF-8, whatever ``encoding_errors`` says
    "command_packer": PythonRespSerializer(6000, _ENCODER.encode),
}
"""Options of a client that says nothing but what it is told to: a new connection costs 0.3 ms
instead of 1.3 (measured on a Unix socket), and a horse makes one for each job."""


def connect(url: str, *, timeout: float = 1.0) -> Redis:
    """A client that answers text and fails within about ``timeout`` seconds.

    Bytes that are no UTF-8 come as surrogate escapes, so a log cut within a character keeps its
    offsets. A connection the server has closed is opened again once, without waiting: redis-py's
    own default waits several seconds before it admits that nobody is there.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="surrogateescape",
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        **PLAIN,
    )


def job_key(job: int) -> str:
    """Hash: the live state of a job (:class:`Live`)."""
    return f"borgui:job:{job}"


def log_key(job: int) -> str:
    """String: the last bytes of a job's log, from ``log_base`` to ``log_end`` of its hash."""
    return f"borgui:log:{job}"


def cancel_key(job: int) -> str:
    """String: the attempt to be cancelled, or ``any``."""
    return f"borgui:cancel:{job}"


def machine_key(machine: str) -> str:
    """Hash: what a machine says of itself (:class:`Machine`)."""
    return f"borgui:machine:{machine}"


def acked_key(machine: str) -> str:
    """Set of ``job:attempt``: outcomes control has settled, so the machine may forget them."""
    return f"borgui:acked:{machine}"


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


def _integer(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _number(value: object) -> float | None:
    text = as_text(value)
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < 1e18 else None  # also refuses nan


def _json(value: object) -> Any:
    try:
        return json.loads(as_text(value) or "null")
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Live:
    """The live state of one job. Sizes in bytes, speed in MB/s, times in ISO 8601 UTC."""

    attempt: int | None = None
    status: str | None = None
    step: str | None = None
    pid: int | None = None
    start_time: str | None = None
    horse_pid: int | None = None
    progress_percent: float | None = None
    progress_message: str | None = None
    current_file: str | None = None
    nfiles: int | None = None
    original_size: int | None = None
    compressed_size: int | None = None
    deduplicated_size: int | None = None
    restored_size: int | None = None
    backup_speed: float | None = None
    eta_seconds: int | None = None
    mounted_at: str | None = None
    warning_count: int | None = None
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
    each.name: {"int": _integer, "float": _number, "str": as_text, "dict[str, typing.Any]": _json}[
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


def forget(redis: Redis, job: int) -> None:
    """Remove all that Redis holds of ``job``: before a new attempt, and with its row."""
    redis.delete(job_key(job), log_key(job), cancel_key(job))


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
    base, end = _integer(raw_base), _integer(raw_end)
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


@dataclass(frozen=True, slots=True)
class Machine:
    """The last report of a machine. ``live``: ``{"job","attempt","pid","start_time"}`` each."""

    boot_id: str | None = None
    instance: str | None = None
    epoch: str | None = None
    reported_at: str | None = None
    borg_version: str | None = None
    borg_error: str | None = None
    mount_problem: str | None = None
    """Why no archive can be mounted there, as a sentence; None where it can, or is not known."""
    workers: int | None = None
    disk_free: int | None = None
    live: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[list[int]] = field(default_factory=list)

    def runs(self, job: int, attempt: int) -> bool:
        """Whether a living horse of this attempt was seen."""
        return any(each.get("job") == job and each.get("attempt") == attempt for each in self.live)

    def has_outcome(self, job: int, attempt: int) -> bool:
        """Whether the machine keeps an outcome of this attempt that control has not settled."""
        return [job, attempt] in self.outcomes


def read_machine(redis: Redis, machine: str) -> Machine | None:
    """The report of ``machine``; ``None`` when it has been silent for ``MACHINE_TTL`` seconds."""
    raw = redis.hgetall(machine_key(machine))
    if not raw:
        return None
    values = {as_text(name): value for name, value in raw.items()}
    live, outcomes = _json(values.get("live")), _json(values.get("outcomes"))
    return Machine(
        **{
            name: as_text(values.get(name))
            for name in (
                "boot_id",
                "instance",
                "epoch",
                "reported_at",
                "borg_version",
                "borg_error",
                "mount_problem",
            )
        },
        workers=_integer(values.get("workers")),
        disk_free=_integer(values.get("disk_free")),
        live=[each for each in live if isinstance(each, dict)] if isinstance(live, list) else [],
        outcomes=[each for each in outcomes if isinstance(each, list)]
        if isinstance(outcomes, list)
        else [],
    )


def new_request() -> str:
    """A name for a question to a machine's quick worker."""
    return secrets.token_hex(16)


def answer(redis: Redis, request: str, value: object) -> None:
    """Leave the answer to a question, for a minute."""
    key = f"borgui:answer:{request}"
    pipeline = redis.pipeline(transaction=True)
    pipeline.rpush(key, json.dumps(value))
    pipeline.expire(key, ANSWER_TTL)
    pipeline.execute()


def await_answer(redis: Redis, request: str, seconds: float) -> Any:
    """The answer to a question; ``None`` when none comes in time. No polling.

    ``redis`` must have a socket time-out longer than ``seconds``.
    """
    found = redis.blpop([f"borgui:answer:{request}"], timeout=seconds)
    return None if found is None else _json(found[1])


def acknowledge(redis: Redis, machine: str, job: int, attempt: int) -> None:
    """Tell ``machine`` that the outcome of this attempt is in the database."""
    redis.sadd(acked_key(machine), f"{job}:{attempt}")
    redis.expire(acked_key(machine), DAY)


def acknowledged(redis: Redis, machine: str) -> set[str]:
    """The ``job:attempt`` that control has settled and the machine has not yet forgotten."""
    return {text for each in redis.smembers(acked_key(machine)) if (text := as_text(each))}


def read_epoch(redis: Redis) -> str | None:
    """The mark of this Redis's life; ``None`` in an empty one."""
    return as_text(redis.get(EPOCH_KEY))


def begin_epoch(redis: Redis) -> str:
    """Mark an empty Redis as begun anew, unless it is marked; returns the mark that stands."""
    redis.set(EPOCH_KEY, secrets.token_hex(8), nx=True)
    return read_epoch(redis) or ""
