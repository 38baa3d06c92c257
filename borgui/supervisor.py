"""One parent for all processes: forks them from what it has imported, starts again what dies.

The parent imports everything once and freezes the garbage collector, so its children share that
memory. They are ended with it: on a signal in order, and by the kernel should it be killed.
"""

import contextlib
import fcntl
import gc
import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from borgui.runner import pids, process

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
STEADY_AFTER = 60.0
"""A child that lived so many seconds has its back-off forgotten."""
TICK = 0.5
ORPHANS = 20.0
"""Seconds that the children of a killed parent may take to end: a borg gets ten of them."""
PAUSE = 5.0
"""Seconds to the next tick after one that failed."""
WATCHED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
"""Blocked in the parent and waited for: nothing of its work is ever cut in two."""
STOP_GRACE = 25.0
"""Seconds from SIGTERM to SIGKILL; more than a worker gives its borg."""
ADOPTED_GRACE = 12.0
"""The same for what was left to us, such as a mount: a little more than it gives its borg."""
RENEW = 75
"""The exit code of a child that is to be forked anew at once: it has rested, and what it copied of
the shared memory while it worked is given back."""
LAST_GRACE = 1.0
"""Seconds after SIGKILL until what is still there is left alone: the kernel has not let it go."""


class AlreadyRunning(Exception):
    """Another process holds this data folder; the message names it."""


@dataclass
class Child:
    """A process to keep alive: ``target`` runs in the fork and returns or raises when it ends.

    It returns True to be forked anew at once (:data:`RENEW`).
    """

    name: str
    target: Callable[[], bool | None]
    stop_first: int = 1
    """Lower numbers are stopped earlier; the next number waits until they are gone."""
    pid: int | None = None
    started_at: float = 0.0
    delay: float = FIRST_DELAY
    due_at: float = 0.0


@dataclass
class Supervisor:
    """Keeps its children alive until it is told to stop; calls ``tick`` twice a second."""

    children: list[Child] = field(default_factory=list)
    tick: Callable[[], None] = lambda: None
    instance: str = field(default_factory=lambda: secrets.token_hex(8))
    _stopping: bool = False
    _tick_after: float = 0.0
    _sessions: set[int] = field(default_factory=set)
    """Of the children there are and were: each has one of its own, which its forks stay in."""
    _told: dict[int, float] = field(default_factory=dict)
    """What was left to us and has been told to end, and when."""

    def add(self, child: Child) -> None:
        """Have ``child`` started by :meth:`run`."""
        self.children.append(child)

    def start(self, child: Child) -> None:
        """Start ``child`` now; :meth:`run` keeps it alive."""
        self.add(child)
        self._start(child)

    def run(self) -> int:
        """Fork, watch, and end in order; returns the exit code."""
        gc.collect()
        gc.freeze()
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        process.adopt_orphans()
        try:
            while not self._stopping:
                self._start_due()
                self._tick()
                self._wait(TICK)
        finally:
            self.stop()
        return 0

    def stop(self) -> None:
        """End every child, those that others need last, and first what they have left to us."""
        began = time.monotonic()
        for pid in self._adopted():
            self._tell(pid)
        for order in sorted({child.stop_first for child in self.children}):
            group = [each for each in self.children if each.stop_first == order and each.pid]
            obeying = [child for child in group if _signal(child.pid, signal.SIGTERM)]
            deadline = time.monotonic() + STOP_GRACE
            while any(each.pid for each in obeying) and time.monotonic() < deadline:
                self._reap()
                time.sleep(0.02)
            for child in obeying:
                _signal(child.pid, signal.SIGKILL)
            self._end_adopted(began + ADOPTED_GRACE)
        self._reap()

    def _end_adopted(self, deadline: float) -> None:
        """End what detached itself below a child, such as a mount: it uses what is ended next."""
        while True:
            self._reap()
            moment = time.monotonic()
            left = self._adopted()
            for pid in left:
                self._tell(pid)
                if moment > deadline:
                    _signal(pid, signal.SIGKILL)
            if all(moment > max(deadline, self._told[pid]) + LAST_GRACE for pid in left):
                return
            time.sleep(0.05)

    def _tell(self, pid: int) -> None:
        if pid not in self._told:
            self._told[pid] = time.monotonic()
            _signal(pid, signal.SIGTERM)

    def _adopted(self) -> set[int]:
        """What a child of ours has forked, or a program it has started, and left to us.

        There may be others, which are waited for and never signalled: whatever had this process
        as its parent before it was borgui, and every orphan of a container where it is the first.
        """
        others = pids.children_of(os.getpid()) - {child.pid for child in self.children}
        return {pid for pid in others if self._is_ours(pid)}

    def _is_ours(self, pid: int) -> bool:
        try:
            return os.getsid(pid) in self._sessions or process.is_marked(pid, self.instance)
        except ProcessLookupError:
            return False

    def _tick(self) -> None:
        """Nothing that goes wrong beside the children may end them: a backup can take hours."""
        if time.monotonic() < self._tick_after:
            return
        try:
            self.tick()
        except Exception as error:
            self._tick_after = time.monotonic() + PAUSE
            where = traceback.extract_tb(error.__traceback__)[-1]
            say(f"this machine's report failed at {where.name}: {type(error).__name__}: {error}")

    def _wait(self, seconds: float) -> None:
        """Until a child dies, somebody wants us to stop, or the time is over."""
        caught = signal.sigtimedwait(WATCHED, seconds)
        if caught is not None and caught.si_signo != signal.SIGCHLD:
            self._stopping = True
        self._reap()

    def _start_due(self) -> None:
        for child in self.children:
            if child.pid is None and child.due_at <= time.monotonic():
                self._start(child)

    def _start(self, child: Child) -> None:
        child.started_at = time.monotonic()
        child.pid = fork(child.name, child.target)
        self._sessions.add(child.pid)

    def _reap(self) -> None:
        """Wait for whatever has ended: a child, or an orphan that became ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self.children:
                if child.pid == pid:
                    self._buried(child, status)

    def _buried(self, child: Child, status: int) -> None:
        lived = time.monotonic() - child.started_at
        child.pid = None
        if self._stopping:
            return
        if status == RENEW << 8:
            child.due_at = 0.0
            return
        if lived > STEADY_AFTER:
            child.delay = FIRST_DELAY
        child.due_at = time.monotonic() + child.delay
        say(f"{child.name} {_reason(status)}; it is started again in {child.delay:g} s")
        child.delay = min(child.delay * 2, LONGEST_DELAY)


def fork(name: str, target: Callable[[], bool | None]) -> int:
    """Run ``target`` in a child that dies with this process; returns its pid."""
    parent = os.getpid()
    _flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()  # Ctrl-C reaches the parent alone, which ends its children in order
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        process.die_with(parent)
        _call_myself(name)
        code = RENEW if target() else 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        say(f"{name}: {type(error).__name__}: {error}")
    finally:
        _flush()
        os._exit(code)


def run_apart(name: str, target: Callable[[], None]) -> str | None:
    """Run ``target`` in a child and wait for it, so that what it imports takes no memory here.

    Returns None when it returned, else why not, in one line.
    """
    reading, writing = os.pipe()

    def tell() -> None:
        try:
            target()
        except Exception as error:
            reason = f"{error}".strip() or type(error).__name__
            os.write(writing, reason.splitlines()[0][:1000].encode("utf-8", "replace"))
            raise SystemExit(1) from error

    pid = fork(name, tell)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor, no path
        said = pipe.read().decode("utf-8", "replace")
    _, status = os.waitpid(pid, 0)
    return (said or f"it {_reason(status)}") if status else None


def _call_myself(name: str) -> None:
    """So that ps and top tell one child from another. The kernel keeps 15 bytes (proc(5), comm)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"borgui {name}"[:15])


def say(text: str) -> None:
    """One line for whoever reads the terminal or the journal."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"borgui: {text}\n")
    _flush()


def _flush() -> None:
    """Have what was printed written now. The disk that takes it may be full, or its reader gone:
    nobody can be told, and it is no reason to end."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()


def hold(run_folder: Path, *roles: str, patience: float = 5.0) -> list[int]:
    """Take the locks of ``roles`` on this data folder; raises :class:`AlreadyRunning`.

    Children keep them, so they are free only when the last of them is gone: ``patience`` seconds
    are given to one that is just ending, and more to the children of one that is dead, which are
    ending for certain. Returns the descriptors: closing them gives up the locks.
    """
    began = time.monotonic()
    held = []
    for role in roles:
        path = run_folder / f"{role}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while not _lock(descriptor):
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            if time.monotonic() - began > (max(patience, ORPHANS) if _is_dead(owner) else patience):
                raise AlreadyRunning(
                    f"borgui ({role}) is running already on {run_folder.parent} (process {owner})."
                    " Stop it first, or give this one its own BORGUI_DATA_DIR."
                )
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        held.append(descriptor)
    return held


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_dead(owner: str) -> bool:
    """Whether the process that took a lock is gone, so that only its children still hold it."""
    found = pids.identify(int(owner)) if owner.isdigit() else None
    return owner.isdigit() and (found is None or not found.is_alive())


def _signal(pid: int | None, number: signal.Signals) -> bool:
    """Whether it was sent, or nobody is there to take it: what refuses it is not waited for."""
    if pid is None:
        return True
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError as error:
        say(f"process {pid} cannot be sent {number.name}: {error.strerror}")
        return False
    return True


def _reason(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"
