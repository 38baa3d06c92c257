"""What a run left behind to judge it by: warnings, errors, ssh's words, refused questions."""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from borgui.borg.events import Event, LogMessage, PlainText, Question

MAX_WARNINGS: Final = 500
"""So many warnings are kept; all are counted."""

_MAX_ERRORS: Final = 50

_REMOTE: Final = "Remote: "

_STALE_LOCK: Final = re.compile(
    r"(?:Remote: )?(?:Killed stale lock |Removed stale \S+ roster lock )"
)

FILE_CHANGED: Final = ": file changed while we backed it up"
"""The end of such a warning; borg 1.2 gives it no class."""

_TRACEBACK: Final = "Traceback (most recent call last):"

_PATH: Final = (
    re.compile(r"(?P<path>.+?): (?:[a-z_]+: )?\[Errno \d+\] ", re.DOTALL),
    re.compile(rf"(?P<path>.+){FILE_CHANGED}", re.DOTALL),
    re.compile(r"(?P<path>/.+): (?:backup error|unsupported file type)", re.DOTALL),
)


@dataclass(frozen=True, slots=True)
class BackupWarning:
    """One warning of borg. ``path`` as borg prints it (``?`` for a byte it cannot decode)."""

    message: str
    path: str | None = None
    msgid: str | None = None

    def as_json(self) -> dict[str, str | None]:
        """Return the form it has in an outcome."""
        return {"path": self.path, "message": self.message, "msgid": self.msgid}


@dataclass(slots=True)
class Evidence:
    """Collects what :func:`borgui.borg.errors.judge` needs, in bounded memory."""

    warnings: list[BackupWarning] = field(default_factory=list)
    warning_count: int = 0
    errors: list[LogMessage] = field(default_factory=list)
    remote: deque[str] = field(default_factory=lambda: deque(maxlen=40))
    plain: deque[str] = field(default_factory=lambda: deque(maxlen=40))
    refused: set[str] = field(default_factory=set)
    """Ids of questions that were answered no, such as BORG_RELOCATED_REPO_ACCESS_IS_OK."""
    traceback: bool = False
    """Whether Python itself ended borg: before it could log, as by a signal while it starts."""

    def feed(self, event: Event) -> None:
        """Note an event, if it bears on the verdict."""
        match event:
            case LogMessage():
                self._log(event)
            case Question(kind="accepted_false" | "invalid_answer", msgid=msgid):
                self.refused.add(msgid)
            case PlainText(text=text):
                self.plain.append(text)
                self.traceback = self.traceback or text == _TRACEBACK
            case _:
                pass

    def _log(self, event: LogMessage) -> None:
        if event.message.startswith(_REMOTE):
            self.remote.append(event.message.removeprefix(_REMOTE))
        if event.levelname in {"ERROR", "CRITICAL"}:
            if len(self.errors) < _MAX_ERRORS:
                self.errors.append(event)
        elif event.levelname == "WARNING" and _counts(event):
            self.warning_count += 1
            if len(self.warnings) < MAX_WARNINGS:
                self.warnings.append(
                    BackupWarning(event.message, _path_of(event.message), event.msgid)
                )


def _counts(event: LogMessage) -> bool:
    """Whether a WARNING is one about the work.

    Not: the removal of a dead process's lock (all is well), what ssh or the far shell says
    (logger ``root``), and Python's getpass (logger ``borg.logger``).
    """
    if event.name in {"borg.logger", "borg.output.progress"}:
        return False
    if event.name == "root" and event.message.startswith(_REMOTE):
        return False
    return _STALE_LOCK.match(event.message) is None


def _path_of(message: str) -> str | None:
    for pattern in _PATH:
        match = pattern.match(message)
        if match:
            return match["path"]
    return None
