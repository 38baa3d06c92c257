"""Whose lock a local repository or borg's cache has, and whether its owner is known to be dead.

Borg 1.x: a folder ``lock.exclusive`` holding a file ``HOSTID.PID-THREAD``, and ``lock.roster``,
JSON ``{"exclusive": [[hostid, pid, thread]], "shared": […]}``.
Borg removes a lock of its own host id itself once the pid is free. It cannot know of a pid that
has been given to another process since, which in a container is the rule after a restart.
"""

import json
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from borgui.runner import pids

_NAME = re.compile(r"(?P<host>.+)\.(?P<pid>\d+)-[0-9a-f]+")
_PLACE = re.compile(r"acquire the lock (?P<place>/.+)/lock(?:\.exclusive)? \(timeout\)")
_SLACK = 2.0
"""Seconds by which a start time computed from ticks may be off."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lock. ``since``: seconds since 1970, at which it was taken or last changed."""

    host: str
    pid: int
    since: float

    def is_dead(self, host_id: str, program: str) -> bool:
        """Whether it ran here, and its pid is free or belongs to something else by now."""
        if self.host != host_id:
            return False
        found = pids.identify(self.pid)
        if found is None or not found.is_alive():
            return True
        return not _is_borg(self.pid, program) or _started(found) > self.since + _SLACK


def place_in(said: str) -> str | None:
    """The folder whose lock borg says it could not have; on another machine, if the repository
    is. None where it says nothing of the kind."""
    match = _PLACE.search(said)
    return match["place"] if match else None


def owners(folder: Path) -> list[Owner]:
    """Everyone who holds the lock of ``folder``, as far as it can be read."""
    return list(dict.fromkeys([*_exclusive(folder), *_roster(folder)]))


def remove(folder: Path) -> None:
    """Break the lock of ``folder``, as borg does it. Raises OSError."""
    (folder / "lock.roster").unlink(missing_ok=True)
    shutil.rmtree(folder / "lock.exclusive", ignore_errors=True)


def _exclusive(folder: Path) -> list[Owner]:
    found = []
    try:
        files = list((folder / "lock.exclusive").iterdir())
    except OSError:
        return []
    for file in files:
        match = _NAME.fullmatch(file.name)
        if match:
            found.append(Owner(match["host"], int(match["pid"]), _changed(file)))
    return found


def _roster(folder: Path) -> list[Owner]:
    file = folder / "lock.roster"
    try:
        roster = json.loads(file.read_bytes())
        entries = [entry for kind in ("exclusive", "shared") for entry in roster.get(kind, [])]
        since = _changed(file)
        return [Owner(str(host), int(pid), since) for host, pid, _thread in entries]
    except (OSError, ValueError, TypeError, AttributeError):
        return []


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _is_borg(pid: int, program: str) -> bool:
    """By a word of its command line: Debian's borg runs as ``python3 /usr/bin/borg …``."""
    names = {"borg", Path(program).name}
    return any(Path(word).name in names for word in pids.command_of(pid).split(" ")[:3])


def _started(identity: pids.ProcessId) -> float:
    return datetime.fromisoformat(identity.started_at).timestamp()
