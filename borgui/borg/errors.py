"""From how borg ended to what a person needs: the verdict on one run.

Exit codes: 0 well, 1 and 100-127 warnings (1 with a bare traceback: Python ended borg), 128+n a
signal that borg caught, negative a signal that ended it, all else an error. Where borg gives an
error class (``msgid``) that decides, then its text (1.2 leaves many classes out), then the modern
exit code (1.4).
"""

import posixpath
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from borgui.borg.causes import (
    BY_EXIT_CODE,
    BY_MSGID,
    BY_REMOTE_TEXT,
    BY_TEXT,
    CONNECTION_LOST,
    CRASHED,
    DISK_FULL,
    FAILED,
    NO_ANSWER,
    NOTHING_READABLE,
    RELOCATED,
    UNENCRYPTED,
    Cause,
)
from borgui.borg.display import as_borg_prints
from borgui.borg.events import LogMessage
from borgui.borg.evidence import FILE_CHANGED, BackupWarning, Evidence
from borgui.borg.output import Created

Status = Literal["completed", "failed", "interrupted"]

_DATA: Final = {
    "init": "No repository was made.",
    "create": "No new archive was made; the existing ones are untouched.",
    "extract": "Nothing in the repository was changed.",
    "preview": "Nothing in the repository was changed.",
    "download": "Nothing in the repository was changed.",
    "mount": "Nothing in the repository was changed.",
    "list": "Nothing in the repository was changed.",
    "info": "Nothing in the repository was changed.",
    "delete_cache": "Nothing in the repository was changed.",
    "delete_repository": "Some of the repository's data may already be deleted.",
    "break_lock": "Nothing in the repository was changed.",
}

_MAYBE_MADE: Final = {
    "init": "Whether a repository was made is seen when it is run again.",
    "create": (
        "The existing archives are untouched; the list of archives shows whether a new one was"
        " made."
    ),
}
_MID_WAY: Final = (CONNECTION_LOST, CRASHED, FAILED)

_SIGNALS: Final = {
    "SIGTERM": "borg was asked to stop (SIGTERM).",
    "SIGINT": "borg was interrupted (SIGINT).",
    "SIGHUP": "borg's session was ended (SIGHUP).",
    "SIGKILL": (
        "borg was killed (SIGKILL), by a person or by the kernel for want of memory. "
        "Its stale lock is removed at the next run."
    ),
}

_EXCEPTIONS: Final = {
    "borg.helpers.process.SigTerm": "SIGTERM",
    "borg.helpers.process.SigHup": "SIGHUP",
}
"""What borg makes of a signal, where it comes while borg still reads its arguments."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended. ``interrupted``: by a signal; the runner knows whether it sent it.

    ``detail`` is borg's own line. ``unread_sources`` holds the source folders (of those given)
    that could not be read at all: what goes on from a backup must wait while there are any.
    """

    status: Status
    error_code: str | None = None
    error_message: str | None = None
    detail: str | None = None
    retryable: bool = False
    warning_count: int = 0
    warnings: tuple[BackupWarning, ...] = ()
    unread_sources: tuple[str, ...] = ()


def judge(
    step: str,
    exit_code: int,
    evidence: Evidence,
    *,
    created: Created | None = None,
    sources: Sequence[str] = (),
) -> Verdict:
    """Judge a run by its exit code (as ``Popen.returncode``) and what it said.

    ``created`` is the parsed answer of a ``create`` (only that proves an archive),
    ``sources`` the folders it was given.
    """
    signal_name = _signal_name(exit_code, evidence)
    if signal_name:
        return _interrupted(step, signal_name, evidence)
    if not _ended_well(step, exit_code, evidence) or _was_cut_off(exit_code, evidence, created):
        return _failed(step, _cause(exit_code, evidence), evidence)
    if step == "create" and created is None:
        return _failed(step, NO_ANSWER, evidence)
    if exit_code == 0:
        return Verdict("completed")
    return _with_warnings(evidence, created, sources)


def is_warning(exit_code: int) -> bool:
    """Whether the exit code says "done, with warnings" (1; modern: 100 to 127)."""
    return exit_code == 1 or 100 <= exit_code <= 127


def unread_sources(warnings: Iterable[BackupWarning], sources: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``sources`` that a warning names as such: missing or not readable.

    A file that changed while it was read is in the archive all the same.
    """
    named = {
        posixpath.normpath(warning.path)
        for warning in warnings
        if warning.path and not warning.message.endswith(FILE_CHANGED)
    }
    return tuple(
        source for source in sources if posixpath.normpath(as_borg_prints(source)) in named
    )


def _ended_well(step: str, exit_code: int, evidence: Evidence) -> bool:
    if exit_code == 0:
        return True
    # Exit 1 of create is an archive with warnings; elsewhere ERROR lines mean what they say.
    return is_warning(exit_code) and (step == "create" or not evidence.errors)


def _was_cut_off(exit_code: int, evidence: Evidence, created: Created | None) -> bool:
    """Whether Python ended borg by an exception: its exit code for that is borg's for warnings."""
    return exit_code == 1 and evidence.traceback and created is None


def _with_warnings(evidence: Evidence, created: Created | None, sources: Sequence[str]) -> Verdict:
    unread = unread_sources(evidence.warnings, sources)
    kept = tuple(evidence.warnings)
    count = max(evidence.warning_count, 1)
    if created is not None and created.stats.nfiles == 0 and kept:
        name = created.archive.name
        return Verdict(
            "failed",
            NOTHING_READABLE.code,
            f"{NOTHING_READABLE.sentence} borg made the archive {name} all the same, without a "
            "file in it; earlier archives are untouched.",
            kept[0].message if kept else None,
            warning_count=count,
            warnings=kept,
            unread_sources=unread,
        )
    return Verdict("completed", warning_count=count, warnings=kept, unread_sources=unread)


def _failed(step: str, cause: Cause, evidence: Evidence) -> Verdict:
    data = _data(step, is_sure=cause not in _MID_WAY) if cause.tell_data else ""
    return Verdict(
        "failed",
        cause.code,
        " ".join(part for part in (cause.sentence, data) if part),
        _detail(evidence),
        cause.retryable,
        evidence.warning_count,
        tuple(evidence.warnings),
    )


def _data(step: str, *, is_sure: bool) -> str:
    """What is true of the data after ``step`` failed; not ``is_sure`` where borg ended mid-way,
    which may have been after it had made what it was to make."""
    unsure = {} if is_sure else _MAYBE_MADE
    return unsure.get(step) or _DATA.get(step, "")


def _interrupted(step: str, name: str, evidence: Evidence) -> Verdict:
    text = _SIGNALS.get(name, f"borg was ended by the signal {name}.")
    return Verdict(
        "interrupted",
        "killed_by_signal",
        " ".join(part for part in (text, _data(step, is_sure=False)) if part),
        _detail(evidence),
        warning_count=evidence.warning_count,
        warnings=tuple(evidence.warnings),
    )


def _signal_name(exit_code: int, evidence: Evidence) -> str | None:
    if exit_code == 2 and any("Got Ctrl-C / SIGINT" in error.message for error in evidence.errors):
        return "SIGINT"  # borg ends with 2 after one SIGINT to create
    if exit_code == 1 and evidence.traceback and evidence.plain[-1] in _EXCEPTIONS:
        return _EXCEPTIONS[evidence.plain[-1]]
    number = -exit_code if exit_code < 0 else exit_code - 128
    if number <= 0:
        return None
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _cause(exit_code: int, evidence: Evidence) -> Cause:
    if "BORG_RELOCATED_REPO_ACCESS_IS_OK" in evidence.refused:
        return RELOCATED
    if "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK" in evidence.refused:
        return UNENCRYPTED
    for error in evidence.errors:
        cause = BY_MSGID.get(error.msgid or "")
        if cause is not None:
            return _remote_cause(evidence) if cause is CONNECTION_LOST else _refine(cause, error)
    return (
        _by_text(evidence)
        or BY_EXIT_CODE.get(exit_code)
        or _warned_of(evidence)
        or _unknown(evidence)
    )


def _refine(cause: Cause, error: LogMessage) -> Cause:
    """Borg's class for "could not lock" says nothing of the reason; its text does."""
    if error.msgid != "LockFailed":
        return cause
    return next((found for text, found in BY_TEXT if text in error.message), cause)


def _remote_cause(evidence: Evidence) -> Cause:
    """Every broken connection looks alike but for what ssh said, which may be lost in a race."""
    said = "\n".join(evidence.remote)
    return next((cause for text, cause in BY_REMOTE_TEXT if text in said), CONNECTION_LOST)


def _by_text(evidence: Evidence) -> Cause | None:
    said = "\n".join([*(error.message for error in evidence.errors), *evidence.plain])
    return next((cause for text, cause in BY_TEXT if text in said), None)


def _warned_of(evidence: Evidence) -> Cause | None:
    """A full disk, where borg has warned of it and then failed while it cleared up."""
    is_full = any("No space left on device" in each.message for each in evidence.warnings)
    return DISK_FULL if is_full else None


def _unknown(evidence: Evidence) -> Cause:
    crashed = evidence.traceback or any(
        error.msgid == "Exception" or error.message.startswith("Traceback")
        for error in evidence.errors
    )
    return CRASHED if crashed else FAILED


def _detail(evidence: Evidence) -> str | None:
    """Return borg's own line: the first error; for a crash the last line of its traceback.

    Where the connection broke, what ssh said last tells more.
    """
    for error in evidence.errors:
        if error.msgid == "Exception":
            continue
        if error.message.startswith("Traceback"):
            return _exception_line(error.message)
        if BY_MSGID.get(error.msgid or "") is CONNECTION_LOST and evidence.remote:
            return evidence.remote[-1]
        return error.message
    return evidence.plain[-1] if evidence.plain else None


def _exception_line(text: str) -> str:
    """Return the line of the last exception; borg's notes on the system follow it."""
    lines = [line for line in text.split("\n\nPlatform: ", maxsplit=1)[0].splitlines() if line]
    return lines[-1].strip() if lines else text[:200]
