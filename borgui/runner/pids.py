"""Processes by pid and start time: which there are, and how one is ended that is no child here."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process beyond doubt: pids are used again, a pid with its start time is not.

    ``start`` counts clock ticks since boot, field 22 of ``/proc/PID/stat`` (proc(5)).
    """

    pid: int
    start: int

    @property
    def started_at(self) -> str:
        """The start time as ISO 8601 in UTC, from the ticks and the time of boot."""
        moment = datetime.fromtimestamp(boot_time() + self.start / _TICKS, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def is_alive(self) -> bool:
        """Whether this very process exists and is no zombie."""
        found = _stat(self.pid)
        return found is not None and found[1] == self.start and found[0] not in "ZX"


def identify(pid: int) -> ProcessId | None:
    """The process that has ``pid`` now; ``None`` when there is none."""
    found = _stat(pid)
    return None if found is None else ProcessId(pid, found[1])


def command_of(pid: int) -> str:
    """The arguments of a process joined by blanks; ``""`` when it is gone or not ours to read."""
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return os.fsdecode(raw.replace(b"\0", b" ")).strip()


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and start ticks."""
    values = _values(pid)
    return None if values is None else (values[0].decode(), int(values[19]))


def _values(pid: int) -> list[bytes] | None:
    """What ``/proc/PID/stat`` says from the state on (field 3); None when the process is gone.

    The command before it may hold blanks and parentheses.
    """
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    return text[text.rindex(b")") + 2 :].split()


def boot_time() -> float:
    """Seconds since 1970 at which this machine booted (moves with a clock that is set).

    Not ``btime`` of ``/proc/stat``, which is cut to whole seconds: by that a borg would have
    started before its job was made.
    """
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """The kernel's own name for this boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def children_of(pid: int) -> set[int]:
    """The living children of a process."""
    found = set()
    for each in _PROC.iterdir():
        if each.name.isdigit():
            values = _values(int(each.name))
            if values is not None and int(values[1]) == pid and values[0] not in (b"Z", b"X"):
                found.add(int(each.name))
    return found


def end(identity: ProcessId, grace: float) -> bool:
    """End a process that is no child of ours, with its group; whether it is gone.

    Waits ``grace`` seconds after SIGTERM and at most two more after SIGKILL, since a process in an
    uninterruptible system call stays until that returns.
    """
    terminate(identity)
    if _wait_gone(identity, grace):
        return True
    kill(identity)
    return _wait_gone(identity, 2)


def terminate(identity: ProcessId) -> None:
    """SIGTERM to a process that may be gone."""
    with suppress(ProcessLookupError, PermissionError):
        if identity.is_alive():
            os.kill(identity.pid, signal.SIGTERM)


def kill(identity: ProcessId) -> None:
    """SIGKILL to a process that may be gone, and to the group that it leads."""
    with suppress(ProcessLookupError, PermissionError):
        if identity.is_alive() and os.getpgid(identity.pid) == identity.pid:
            os.killpg(identity.pid, signal.SIGKILL)
        elif identity.is_alive():
            os.kill(identity.pid, signal.SIGKILL)


def _wait_gone(identity: ProcessId, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while identity.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
