"""Whose lock a local repository has, and whether its owner is known to be dead.

Borg 1.x: a folder ``lock.exclusive`` holding a file ``HOSTID.PID-THREAD``, and ``lock.roster``,
JSON ``{"exclusive": [[hostid, pid, thread]], "shared": […]}``.
Borg removes a lock of its own host id itself once the pid is free. It cannot know of a pid that
has been given to another process since, which in a container is the rule after a restart.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from borgui.runner import process

_NAME = re.compile(r"(?P<host>.+)\.(?P<pid>\d+)-[0-9a-f]+")
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
        found = process.identify(self.pid)
        if found is None or not found.is_alive():
            return True
        return not _is_borg(self.pid, program) or _started(found) > self.since + _SLACK


def owners(repository: Path) -> list[Owner]:
    """Everyone who holds the lock of ``repository``, as far as it can be read."""
    return list(dict.fromkeys([*_exclusive(repository), *_roster(repository)]))


def _exclusive(repository: Path) -> list[Owner]:
    found = []
    try:
        files = list((repository / "lock.exclusive").iterdir())
    except OSError:
        return []
    for file in files:
        match = _NAME.fullmatch(file.name)
        if match:
            found.append(Owner(match["host"], int(match["pid"]), _changed(file)))
    return found


def _roster(repository: Path) -> list[Owner]:
    file = repository / "lock.roster"
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
    return any(Path(word).name in names for word in process.command_of(pid).split(" ")[:3])


def _started(identity: process.ProcessId) -> float:
    return datetime.fromisoformat(identity.started_at).timestamp()
