"""A job's instructions as they come out of the seal. Paths are str with surrogate escapes."""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from borgui.borg.display import IN_DETAIL


class SpecError(Exception):
    """The instructions are authentic but make no sense; the message names the field."""


@dataclass(frozen=True, slots=True)
class Step:
    """One program to run. ``name`` says how its output is read."""

    name: str
    program: str
    argv: tuple[str, ...]
    env: dict[str, str]
    passphrases: tuple[str, ...] = ()
    cwd: str | None = None
    stdin: bytes | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    may_fail: bool = False
    """Whether the job goes on, with a warning, when the program failed. Not for acts."""

    @property
    def local_repository(self) -> str | None:
        """The folder of the repository, where it is one of this machine."""
        path = self.env.get("BORG_REPO", "")
        return path if path.startswith("/") else None


@dataclass(frozen=True, slots=True)
class Spec:
    """Steps that run one after the other. Times in seconds."""

    job: int
    attempt: int
    kind: str
    steps: tuple[Step, ...]
    time_limit: float | None
    cancel_grace: float
    secrets: tuple[str, ...]

    @classmethod
    def decode(cls, raw: Mapping[str, Any]) -> "Spec":
        """Read a spec; raises :class:`SpecError`."""
        try:
            limit = raw.get("time_limit")
            return cls(
                job=int(raw["job"]),
                attempt=int(raw["attempt"]),
                kind=str(raw.get("kind", "")),
                steps=tuple(_step(each) for each in raw["steps"]),
                time_limit=None if limit is None else float(limit),
                cancel_grace=float(raw.get("cancel_grace", 10)),
                secrets=tuple(str(each) for each in raw.get("secrets", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"The job's instructions cannot be read. {IN_DETAIL} {error!r}"
            raise SpecError(message) from error


def _step(raw: Mapping[str, Any]) -> Step:
    cwd, stdin = raw.get("cwd"), raw.get("stdin")
    return Step(
        name=str(raw["name"]),
        program=str(raw.get("program", "borg")),
        argv=tuple(unpack(each) for each in raw["argv"]),
        env={str(name): unpack(value) for name, value in raw.get("env", {}).items()},
        passphrases=tuple(str(each) for each in raw.get("passphrases", ())),
        cwd=None if cwd is None else unpack(cwd),
        stdin=None if stdin is None else os.fsencode(unpack(stdin)),
        parameters=dict(raw.get("parameters") or {}),
        may_fail=bool(raw.get("may_fail")),
    )


def unpack(text: str) -> str:
    """Base64 of bytes as a path or argument; raises ValueError."""
    try:
        return os.fsdecode(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise ValueError(f"{text[:40]!r} is no base64") from error


def pack(text: str) -> str:
    """A path or argument as base64 of its bytes."""
    return base64.b64encode(os.fsencode(text)).decode()
