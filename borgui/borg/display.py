"""Commands, paths and figures as a person reads them; a command can be pasted into bash."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

IN_DETAIL: Final = "In detail:"
"""In a message to people: what follows may name files, and is kept from who may not see them."""

_UNITS: Final = ("kB", "MB", "GB", "TB", "PB", "EB")

_SPECIAL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def command_line(
    program: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    leads_to: str | None = None,
) -> str:
    """Return ``BORG_REPO=… borg create …``: quoted, on one line.

    Of the environment only ``BORG_REPO`` is shown. A value that is no printable UTF-8 is written
    in bash's ``$'…'`` form with ``\\xNN`` for each odd byte. ``leads_to`` is the repository's own
    path, where borg is given a link to it.
    """
    words = [quote(word) for word in (program, *argv)]
    repository = env.get("BORG_REPO")
    if repository is not None:
        words.insert(0, f"BORG_REPO={quote(repository)}")
    if leads_to is not None:
        words.append(f" # a link to {quote(leads_to)}")
    return " ".join(words)


def quote(text: str) -> str:
    """Quote one word for a shell; ``$'…'`` where it holds bytes that cannot be printed."""
    if not _SPECIAL.search(text):
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + _SPECIAL.sub(_escape, escaped) + "'"


def printable_path(path: str) -> str:
    """Return a path for a page or the API: odd bytes as ``\\xNN``, all else as it is."""
    return _SPECIAL.sub(_escape, path)


def as_borg_prints(path: str) -> str:
    """Return a path as borg 1.x writes it in JSON: ``?`` for each byte it cannot decode."""
    return path.encode("utf-8", "replace").decode("utf-8")


def size_text(count: float) -> str:
    """``1.23 GB``: borg's own rounding (``borg.helpers.format_file_size``)."""
    if abs(count) < 1000:
        return f"{int(count)} B"
    for unit in _UNITS:
        count /= 1000
        if abs(round(count, 2)) < 1000:
            return f"{count:.2f} {unit}"
    return f"{count:.2f} {_UNITS[-1]}"


def counted(count: int, noun: str) -> str:
    """``1 file``, ``8,123 files``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    stands_for_a_byte = "\udc80" <= char <= "\udcff"
    encoded = char.encode("utf-8", "surrogateescape" if stands_for_a_byte else "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in encoded)
