"""Reads a child's two pipes until it is gone, in bounded memory, and never waits on one alone."""

import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Self

from borgui.runner.process import Child

CHUNK = 64 * 1024
LONGEST_LINE = 256 * 1024
"""Bytes of a line that are kept; borg's own lines stay far below it."""
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of stdout that are kept for a step that answers JSON."""
DRAIN_SECONDS = 2.0
"""How long pipes are read on after the child's end, where a grandchild holds them open."""


class Lines:
    """Cuts a stream of bytes into lines. What a line has beyond ``LONGEST_LINE`` is dropped."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines completed by ``data``, without their ends."""
        parts = data.split(b"\n")
        found = []
        for part in parts[:-1]:
            self._keep(part)
            found.append(bytes(self._rest))
            self._rest.clear()
        self._keep(parts[-1])
        return found

    def last(self) -> list[bytes]:
        """What stood after the last line end."""
        found = [bytes(self._rest)] if self._rest else []
        self._rest.clear()
        return found

    def _keep(self, part: bytes) -> None:
        room = LONGEST_LINE - len(self._rest)
        self._rest += part[: max(room, 0)]


class Answer:
    """Collects stdout up to ``LARGEST_ANSWER`` bytes."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.overflowed = False

    def feed(self, data: bytes) -> None:
        """Go on with ``data``."""
        room = LARGEST_ANSWER - len(self.data)
        self.overflowed = self.overflowed or len(data) > room
        self.data += data[: max(room, 0)]


class Wakeup:
    """Makes signals end a wait in a selector: SIGCHLD and all that Python handles."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        self._before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._handler = signal.signal(signal.SIGCHLD, _nothing)
        return self

    def __exit__(self, *told: object) -> None:
        signal.set_wakeup_fd(self._before)
        signal.signal(signal.SIGCHLD, self._handler)
        os.close(self.reading)
        os.close(self._writing)

    def clear(self) -> None:
        """Forget the signals that have woken us."""
        with suppress(BlockingIOError):
            while os.read(self.reading, 4096):
                pass


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """With a handler, SIGCHLD is written to the wake-up pipe."""


def has_ended(child: Child) -> bool:
    """Whether the child is gone, without taking its exit status: its pid stays its own so long."""
    flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
    return os.waitid(os.P_PID, child.pid, flags) is not None


def read_to_end(
    child: Child,
    on_stdout: Callable[[bytes], None],
    on_stderr: Callable[[bytes], None],
    tick: Callable[[], float],
    pause: float = 0,
) -> None:
    """Hand on all the child writes until it has ended.

    ``tick`` is called after each wait, and says how many seconds the next one may take. After a
    piece of stdout nothing is read for ``pause`` seconds: a child that writes line by line else
    wakes us for each of them.
    """
    with Wakeup() as wakeup, selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, on_stdout)
        selector.register(child.stderr, selectors.EVENT_READ, on_stderr)
        selector.register(wakeup.reading, selectors.EVENT_READ, None)
        ended_at: float | None = None
        while True:
            if ended_at is None and has_ended(child):
                ended_at = time.monotonic()
            if ended_at is not None and _is_dry(selector, ended_at):
                return
            wait = tick()
            ready = selector.select(wait if ended_at is None else min(wait, 0.05))
            for key, _ in ready:
                if key.data is None:
                    wakeup.clear()
                elif not _pass_on(key.fd, key.data):
                    selector.unregister(key.fd)
            if pause and ended_at is None and any(key.fd == child.stdout for key, _ in ready):
                time.sleep(pause)


def _is_dry(selector: selectors.BaseSelector, ended_at: float) -> bool:
    """Whether only the wake-up pipe is left, or the others have been waited for long enough."""
    return len(selector.get_map()) == 1 or time.monotonic() - ended_at > DRAIN_SECONDS


def _pass_on(descriptor: int, receiver: Callable[[bytes], None]) -> bool:
    """Read once; False at the end of the stream."""
    try:
        data = os.read(descriptor, CHUNK)
    except BlockingIOError:
        return True
    if data:
        receiver(data)
    return bool(data)
