"""The extra ``borg create`` flags a person may add: an allow-list, each value checked."""

import re
import shlex
from collections.abc import Callable
from typing import Final

from borgui.borg.compression import CompressionError, validate_compression
from borgui.borg.patterns import PatternError, parse_exclude, parse_pattern_rule
from borgui.borg.undecodable import is_utf8


class FlagError(ValueError):
    """A flag that is not allowed, or its value is not; the message says which and why."""


_SWITCHES: Final = frozenset(
    {
        "--one-file-system",
        "--exclude-caches",
        "--keep-exclude-tags",
        "--exclude-nodump",
        "--numeric-ids",
        "--noatime",
        "--atime",
        "--noctime",
        "--nobirthtime",
        "--noflags",
        "--noacls",
        "--noxattrs",
        "--sparse",
    }
)

_SHORT: Final = {
    "-x": "--one-file-system",
    "-e": "--exclude",
    "-C": "--compression",
    "-c": "--checkpoint-interval",
}

_FILES_CACHE: Final = (
    "ctime,size,inode",
    "mtime,size,inode",
    "ctime,size",
    "mtime,size",
    "rechunk,ctime",
    "rechunk,mtime",
    "disabled",
)

_OURS: Final = "borgui sets it itself."
_OUTPUT: Final = "it changes the output that borgui reads."
_ELSEWHERE: Final = "it reads or writes something other than the source folders."
_FIELD: Final = "name the source folders in their own field."

_REFUSED: Final = {
    "--json": _OUTPUT,
    "--log-json": _OURS,
    "--progress": _OURS,
    "-p": _OURS,
    "--list": _OUTPUT,
    "--filter": _OUTPUT,
    "--stats": _OUTPUT,
    "-s": _OUTPUT,
    "--dry-run": "it makes no backup.",
    "-n": "it makes no backup.",
    "--info": _OUTPUT,
    "-v": _OUTPUT,
    "--verbose": _OUTPUT,
    "--debug": _OUTPUT,
    "--debug-topic": _OUTPUT,
    "--debug-profile": _ELSEWHERE,
    "--critical": "it hides warnings.",
    "--error": "it hides warnings.",
    "--warning": _OUTPUT,
    "--iec": _OUTPUT,
    "--show-rc": _OUTPUT,
    "--show-version": _OUTPUT,
    "--lock-wait": _OURS,
    "--bypass-lock": "two borgs at once can destroy a repository.",
    "--no-cache-sync": "it is experimental and re-reads every file.",
    "--remote-path": "it runs another program.",
    "--rsh": "it runs another program.",
    "--content-from-command": "it runs another program.",
    "--paths-from-command": "it runs another program.",
    "--paths-from-stdin": _FIELD,
    "--paths-delimiter": _FIELD,
    "--stdin-name": _FIELD,
    "--stdin-user": _FIELD,
    "--stdin-group": _FIELD,
    "--stdin-mode": _FIELD,
    "--exclude-from": "name the patterns themselves.",
    "--patterns-from": "name the patterns themselves.",
    "--read-special": "it reads whole devices, and waits for ever on a pipe nobody writes to.",
    "--timestamp": "a false date makes prune drop the wrong archives.",
    "--umask": "borg's files stay closed to other users.",
    "--consider-part-files": "it has no use in a backup.",
}


def parse_flags(text: str) -> tuple[str, ...]:
    """Split what a person typed into arguments for ``borg create``; raises :class:`FlagError`.

    Each comes back as ``--flag`` or ``--flag=value``, short forms written out, so that a value
    can never be taken for an option.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise FlagError("A quotation mark is not closed.") from error
    if not all(is_utf8(word) for word in words):
        raise FlagError("A flag must be UTF-8 text.")
    found = []
    while words:
        word = words.pop(0)
        flag, sign, value = word.partition("=")
        flag = _SHORT.get(flag, flag)
        if flag in _SWITCHES:
            if sign:
                raise FlagError(f"{flag} takes no value.")
            found.append(flag)
            continue
        if flag not in _VALUES:
            raise FlagError(_why_not(flag))
        if not sign:
            if not words:
                raise FlagError(f"{flag} needs a value.")
            value = words.pop(0)
        _VALUES[flag](flag, value)
        found.append(f"{flag}={value}")
    return tuple(found)


def _why_not(flag: str) -> str:
    if flag in _REFUSED:
        return f"{flag} is not allowed: {_REFUSED[flag]}"
    if not flag.startswith("-"):
        return f"{flag!r} is no flag; {_FIELD}"
    return f"{flag} is not in the list of allowed flags."


def _number(low: int, high: int) -> Callable[[str, str], None]:
    def check(flag: str, value: str) -> None:
        digits = value.isascii() and value.isdigit() and len(value) < 12
        if not digits or not low <= int(value) <= high:
            raise FlagError(f"{flag} takes a whole number from {low} to {high}.")

    return check


def _files_cache(flag: str, value: str) -> None:
    if value not in _FILES_CACHE:
        raise FlagError(f"{flag} takes one of: {'; '.join(_FILES_CACHE)}.")


def _compression(flag: str, value: str) -> None:
    try:
        validate_compression(value)
    except CompressionError as error:
        raise FlagError(f"{flag}: {error}") from error


def _chunker(flag: str, value: str) -> None:
    if not (_is_buzhash(value) or _is_fixed(value)):
        raise FlagError(
            f"{flag} takes buzhash,MIN,MAX,MASK,WINDOW (default buzhash,19,23,21,4095) "
            "or fixed,SIZE[,HEADER]."
        )


def _is_buzhash(value: str) -> bool:
    match = re.fullmatch(r"(?:buzhash,)?([0-9]{1,2}),([0-9]{1,2}),([0-9]{1,2}),([0-9]{1,5})", value)
    if match is None:
        return False
    low, high, mask, window = map(int, match.groups())
    return 6 <= low <= mask <= high <= 23 and window % 2 == 1


def _is_fixed(value: str) -> bool:
    match = re.fullmatch(r"fixed,([0-9]{2,8})(?:,([0-9]{1,8}))?", value)
    return match is not None and 64 <= int(match[1]) <= 2**23 and int(match[2] or 0) <= 2**23


def _exclude(flag: str, value: str) -> None:
    try:
        parse_exclude(value)
    except PatternError as error:
        raise FlagError(f"{flag}: {error}") from error


def _pattern(flag: str, value: str) -> None:
    try:
        parse_pattern_rule(value)
    except PatternError as error:
        raise FlagError(f"{flag}: {error}") from error


def _file_name(flag: str, value: str) -> None:
    if not value or "/" in value or "\x00" in value:
        raise FlagError(f"{flag} takes the name of a file, without a folder.")


def _comment(flag: str, value: str) -> None:
    if "\x00" in value or "{" in value or "}" in value or len(value) > 1000:
        raise FlagError(f"{flag} takes up to 1000 characters, without braces.")


_VALUES: Final[dict[str, Callable[[str, str], None]]] = {
    "--exclude": _exclude,
    "--pattern": _pattern,
    "--exclude-if-present": _file_name,
    "--compression": _compression,
    "--chunker-params": _chunker,
    "--files-cache": _files_cache,
    "--checkpoint-interval": _number(60, 86400 * 7),
    "--upload-ratelimit": _number(0, 10**9),
    "--upload-buffer": _number(0, 1024),
    "--comment": _comment,
}

ALLOWED: Final = tuple(sorted(_SWITCHES | set(_VALUES)))
"""The flags a person may use."""
