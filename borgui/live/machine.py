"""What machines and processes say of themselves, and what control tells a machine."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from redis import Redis

from borgui.live.job import DAY
from borgui.live.values import as_json, as_text, integer

MACHINE_TTL = 30
"""Seconds a machine report is believed. It is written every few seconds."""
EPOCH_KEY = "borgui:epoch"

Process = Literal["control", "scheduler"]
"""Of these there is one; a worker is known by its machine's report."""


def machine_key(machine: str) -> str:
    """Hash: what a machine says of itself (:class:`Machine`)."""
    return f"borgui:machine:{machine}"


def acked_key(machine: str) -> str:
    """Set of ``job:attempt``: outcomes control has settled, so the machine may forget them."""
    return f"borgui:acked:{machine}"


def process_key(process: Process) -> str:
    """String that lives only as long as the process says so: its presence is all it says."""
    return f"borgui:{process}"


@dataclass(frozen=True, slots=True)
class Machine:
    """The last report of a machine. ``live``: ``{"job","attempt","pid","start_time"}`` each."""

    reported_at: str | None = None
    borg_version: str | None = None
    borg_error: str | None = None
    mount_problem: str | None = None
    """Why no archive can be mounted there, as a sentence; None where it can, or is not known."""
    hostname: str | None = None
    """What borg there fills in for ``{hostname}``."""
    workers: int | None = None
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
    live, outcomes = as_json(values.get("live")), as_json(values.get("outcomes"))
    return Machine(
        **{
            name: as_text(values.get(name))
            for name in (
                "reported_at",
                "borg_version",
                "borg_error",
                "mount_problem",
                "hostname",
            )
        },
        workers=integer(values.get("workers")),
        live=[each for each in live if isinstance(each, dict)] if isinstance(live, list) else [],
        outcomes=[each for each in outcomes if isinstance(each, list)]
        if isinstance(outcomes, list)
        else [],
    )


def acknowledge(redis: Redis, machine: str, job: int, attempt: int) -> None:
    """Tell ``machine`` that the outcome of this attempt is in the database."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.sadd(acked_key(machine), f"{job}:{attempt}")
    pipeline.expire(acked_key(machine), DAY)
    pipeline.execute()


def acknowledged(redis: Redis, machine: str) -> set[str]:
    """The ``job:attempt`` that control has settled and the machine has not yet forgotten."""
    return {text for each in redis.smembers(acked_key(machine)) if (text := as_text(each))}


def begin_epoch(redis: Redis) -> str:
    """Mark an empty Redis as begun anew, unless it is marked; returns the mark that stands."""
    redis.set(EPOCH_KEY, secrets.token_hex(8), nx=True)
    return as_text(redis.get(EPOCH_KEY)) or ""


def beat(redis: Redis, process: Process, seconds: int) -> None:
    """Say that this process lives, for ``seconds``."""
    redis.set(process_key(process), str(time.time()), ex=seconds)


def living(redis: Redis) -> set[Process]:
    """Those of the processes that live, in one round trip."""
    names: tuple[Process, ...] = ("control", "scheduler")
    found = redis.mget([process_key(name) for name in names])
    return {name for name, value in zip(names, found, strict=True) if value is not None}
