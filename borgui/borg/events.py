"""What borg says on stderr with ``--log-json``: one line of bytes in, typed events out.

Shapes as measured on 1.2.4 and 1.4.5. The stream is not all JSON (usage errors, prompts), and an
object can begin in the middle of a line, after a prompt; so nothing here raises.
"""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

_MAX_STARTS: Final = 8
"""How many ``{"`` of one line are tried as the beginning of an object."""


@dataclass(frozen=True, slots=True)
class ArchiveProgress:
    """Totals so far of a ``create``, in bytes. All None in the last one (``finished``)."""

    finished: bool
    original_size: int | None = None
    compressed_size: int | None = None
    deduplicated_size: int | None = None
    nfiles: int | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class ProgressPercent:
    """Steps done of one operation. Borg's own percent inside ``message`` lags by one step."""

    operation: int
    msgid: str | None
    finished: bool
    message: str = ""
    current: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ProgressMessage:
    """A phase without a measure, such as "Saving files cache"."""

    operation: int
    msgid: str | None
    finished: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class LogMessage:
    """One log line; ``msgid`` is borg's error class, where it names one."""

    levelname: str
    name: str
    message: str
    msgid: str | None = None


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One item of ``--list``: a letter and the path as given to borg."""

    status: str
    path: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question borg asked, or how it took the answer.

    ``kind`` is one of prompt, env_answer, accepted_true, accepted_false, invalid_answer.
    """

    kind: str
    msgid: str
    message: str


@dataclass(frozen=True, slots=True)
class PlainText:
    """Text that is no event of borg's log."""

    text: str


Event = (
    ArchiveProgress
    | ProgressPercent
    | ProgressMessage
    | LogMessage
    | FileStatus
    | Question
    | PlainText
)


def parse_line(line: bytes) -> tuple[Event, ...]:
    """Parse one line of stderr, with or without its line end. Never raises.

    An empty line gives nothing; an object after other text gives two events.
    """
    text = line.decode("utf-8", "replace").strip("\r\n")
    if not text.strip():
        return ()
    start = text.find('{"')
    for _ in range(_MAX_STARTS):
        if start < 0:
            break
        event = _parse_object(text[start:])
        if event is not None:
            before = text[:start].strip()
            return (PlainText(before), event) if before else (event,)
        start = text.find('{"', start + 1)
    return (PlainText(text),)


def renamed(event: Event, old: str, new: str) -> Event:
    """Return the event with another name for a path that borg speaks of; what it lists stays."""
    match event:
        case LogMessage(message=text) | Question(message=text):
            return replace(event, message=text.replace(old, new))
        case PlainText(text=text):
            return PlainText(text.replace(old, new))
        case _:
            return event


def printable(event: Event) -> str | None:
    """Return the event as a line for people, or None for progress that would flood a log."""
    match event:
        case LogMessage(levelname=level, name=name, message=message):
            if name == "borg.output.progress":
                return None
            return message if level in {"INFO", "DEBUG"} else f"{level}: {message}"
        case FileStatus(status=status, path=path):
            return f"{status} {path}"
        case Question(message=text) | PlainText(text=text) | ProgressMessage(message=text):
            return text or None
        case _:
            return None


def _parse_object(text: str) -> Event | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    kind = data.get("type")
    if not isinstance(kind, str):
        return None
    if kind.startswith("question_"):
        return Question(kind[9:], _text(data, "msgid"), _text(data, "message"))
    build = _BUILDERS.get(kind)
    return build(data) if build else None


def _archive_progress(data: dict[str, Any]) -> Event:
    return ArchiveProgress(
        finished=data.get("finished") is True,
        original_size=_count(data, "original_size"),
        compressed_size=_count(data, "compressed_size"),
        deduplicated_size=_count(data, "deduplicated_size"),
        nfiles=_count(data, "nfiles"),
        path=_text(data, "path"),
    )


def _progress_percent(data: dict[str, Any]) -> Event:
    return ProgressPercent(
        operation=_count(data, "operation") or 0,
        msgid=_text(data, "msgid") or None,
        finished=data.get("finished") is True,
        message=_text(data, "message"),
        current=_count(data, "current"),
        total=_count(data, "total"),
    )


def _progress_message(data: dict[str, Any]) -> Event:
    return ProgressMessage(
        operation=_count(data, "operation") or 0,
        msgid=_text(data, "msgid") or None,
        finished=data.get("finished") is True,
        message=_text(data, "message"),
    )


def _log_message(data: dict[str, Any]) -> Event:
    return LogMessage(
        levelname=_text(data, "levelname"),
        name=_text(data, "name"),
        message=_text(data, "message"),
        msgid=_text(data, "msgid") or None,
    )


def _file_status(data: dict[str, Any]) -> Event:
    return FileStatus(_text(data, "status"), _text(data, "path"))


_BUILDERS: Final = {
    "archive_progress": _archive_progress,
    "progress_percent": _progress_percent,
    "progress_message": _progress_message,
    "log_message": _log_message,
    "file_status": _file_status,
}


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        return ""
    # A lone surrogate (legal in JSON) could not be stored in Redis or the database.
    return value.encode("utf-8", "replace").decode("utf-8")


def _count(data: dict[str, Any], key: str) -> int | None:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
