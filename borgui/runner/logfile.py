"""A job's log: whole in its file, head and tail for its row, the last of it for the live view.

Lines are text for people: the time in UTC, then what borg or we say. Offsets count bytes of the
whole log.
"""

import errno
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from borgui import live

HEAD = 16 * 1024
TAIL = 48 * 1024
LINE = 64 * 1024
"""A longer line (in characters) is cut here, with a mark."""


RETRY = 1.0
"""Seconds from a failed write to the next try."""


class CappedText:
    """The first ``HEAD`` and the last ``TAIL`` bytes of a text, in bounded memory."""

    def __init__(self) -> None:
        self.size = 0
        self._head = bytearray()
        self._tail = bytearray()

    def add(self, data: bytes) -> None:
        """Go on with ``data``."""
        self.size += len(data)
        room = HEAD - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room > 0 else data
        if len(self._tail) > 2 * TAIL:
            del self._tail[:-TAIL]

    @property
    def truncated(self) -> bool:
        """Whether :meth:`text` leaves something out."""
        return self.size > HEAD + TAIL

    def text(self) -> str:
        """All of it; where it is too long, head and tail around a line that says what is missing.

        Both are cut at a line's end where one is near, and never within a character.
        """
        if not self.truncated:
            return (self._head + self._tail).decode("utf-8", "replace")
        head = bytes(self._head)
        cut = head.rfind(b"\n", HEAD // 2) + 1
        head = head[:cut] if cut else _whole_characters(head)
        tail = bytes(self._tail[-TAIL:])
        start = tail.find(b"\n", 0, TAIL // 2) + 1
        tail = tail[start or _first_character(tail) :]
        missing = self.size - len(head) - len(tail)
        mark = f"\n[… {missing:,} bytes are left out here; the log file has them …]\n\n"
        return head.decode("utf-8", "replace") + mark + tail.decode("utf-8", "replace")


def _whole_characters(data: bytes) -> bytes:
    """``data`` without the beginning of a character at its end."""
    for length in range(1, min(4, len(data)) + 1):
        byte = data[-length]
        if byte & 0xC0 != 0x80:  # not a continuation
            needed = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data if length >= needed else data[:-length]
    return data


def _first_character(data: bytes) -> int:
    """Where the first whole character begins."""
    return next((at for at, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)


class JobLog:
    """Writes a job's log. ``mask`` takes secrets out of a text."""

    def __init__(self, path: Path, mask: Callable[[str], str]) -> None:
        """Goes on where an earlier attempt has stopped. Never raises: see :attr:`problem`."""
        self.capped = CappedText()
        self.problem: str | None = None
        """Why the file lacks something, in words."""
        self.tail = bytearray()
        self.base = self.end = 0
        self._mask = mask
        self._descriptor = -1
        self._lost = 0
        self._try_again = 0.0
        try:
            self._open(path)
        except OSError as error:
            self._note(error, 0)

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        size = os.fstat(self._descriptor).st_size
        self.capped.add(os.pread(self._descriptor, min(size, HEAD), 0))
        self.capped.add(os.pread(self._descriptor, TAIL, max(size - TAIL, HEAD)))
        self.capped.size = self.base = self.end = size

    def line(self, text: str, moment: datetime | None = None) -> None:
        """Add a line, or several: those after the first are set in."""
        stamp = (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        text = self._mask(text)
        if len(text) > LINE:
            text = f"{text[:LINE]} [… {len(text) - LINE:,} characters cut]"
        lines = [_visible(each) for each in text.rstrip().split("\n")]
        self._write(f"{stamp} " + "\n    ".join(lines) + "\n")

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        self.capped.add(data)
        self.end += len(data)
        self.tail += data
        if len(self.tail) > live.TAIL_LIMIT:
            self._trim()
        if self._descriptor >= 0:
            self._append(data)

    def _append(self, data: bytes) -> None:
        if self._lost:
            if time.monotonic() < self._try_again:
                self._lost += len(data)
                return
            # Written with the same length as what is missing, or offsets would no longer agree.
            data = _filler(self._lost, self.problem or "") + data
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            self._note(error, len(data))
            return
        self._lost = 0
        if written < len(data):
            self._note(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), len(data) - written)

    def _note(self, error: OSError, lost: int) -> None:
        self._lost = lost
        self._try_again = time.monotonic() + RETRY
        self.problem = error.strerror or str(error)

    def _trim(self) -> None:
        """Keep the last part, from the beginning of a line."""
        cut = len(self.tail) - live.TAIL_KEEP
        cut = self.tail.find(b"\n", cut) + 1 or cut
        del self.tail[:cut]
        self.base = self.end - len(self.tail)

    def close(self) -> None:
        """Give the file back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _filler(length: int, reason: str) -> bytes:
    note = f"[{length} bytes could not be written: {reason}]".encode()
    return (note + b" " * length)[: length - 1] + b"\n"


def _visible(line: str) -> str:
    """A line without control characters, which could rewrite what a terminal shows."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() or each == "\t" else _escaped(each) for each in line)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "replace").decode("ascii")
