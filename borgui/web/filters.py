"""How values look on a page: moments, spans, sizes, counts and paths. Pure functions.

Unknown (``None``) is an en dash, never a zero. What may be odd (a path, a name, a log) is escaped
here, so that no page can fail on it: a byte that is no UTF-8 shows as ``\\xNN``.
"""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from borgui.borg.display import printable_path, size_text
from borgui.models import now

UNKNOWN = Markup('<span class="unknown" title="not known">\N{EN DASH}</span>')
TAIL = 24
"""Characters of a path that always show, at its end."""

_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSHOWN = re.compile(rf"({_ODD.pattern}+)|([\u202a-\u202e\u2066-\u2069]+)")
"""Odd bytes, or what nobody sees and what turns the letters around it: ``exe.gpj`` of another."""
_ODD_IN_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def printable(text: str) -> str:
    """Text that can be encoded: odd bytes as ``\\xNN``; line ends and tabs stay."""
    if text.isascii() or not _ODD_IN_TEXT.search(text):
        return text
    return _ODD_IN_TEXT.sub(lambda match: printable_path(match.group()), text)


def is_odd(text: str) -> bool:
    """Whether it holds what cannot be typed or shown as it is."""
    return _ODD.search(text) is not None


def marked(text: str) -> Markup:
    """Text with each odd byte, and what turns the way it is read, escaped and marked as such."""
    if not _UNSHOWN.search(text):
        return escape(text)
    return Markup(_UNSHOWN.sub(_mark, str(escape(text))))  # noqa: S704 - escaped before


def _mark(match: re.Match[str]) -> str:
    title = "bytes that are no text" if match[1] else "turns the direction of reading"
    return f'<span class="odd" title="{title}">{_spelt(match)}</span>'


def _spelt(match: re.Match[str]) -> str:
    if match[1]:
        return printable_path(match[1])
    return match[2].encode("ascii", "backslashreplace").decode()


def path(text: str | None) -> Markup:
    """A path that shortens in its middle, and is whole on hover, on focus and when copied."""
    if text is None:
        return UNKNOWN
    whole = escape(_UNSHOWN.sub(_spelt, text))
    return Markup(  # noqa: S704 - every part is escaped
        f'<span class="path" tabindex="0" title="{whole}" data-whole="{whole}">{short(text)}</span>'
    )


def short(text: str) -> Markup:
    """The inside of a ``.path``, which shortens in its middle: for a link that names itself."""
    cut = max(len(text) - TAIL, 0)
    slash = text.rfind("/", cut, len(text) - 1)
    cut = slash if slash > 0 else cut
    head = f'<span class="path-head">{marked(text[:cut])}</span>' if cut else ""
    return Markup(f'{head}<span class="path-tail">{marked(text[cut:])}</span>')  # noqa: S704


def size(count: float | None) -> Markup:
    """A size as borg prints it (decimal), the exact number of bytes on hover."""
    if count is None:
        return UNKNOWN
    return Markup(f'<span title="{int(count):,} bytes">{size_text(count)}</span>')  # noqa: S704


def sentence(text: str) -> str:
    """``waits for backup #12`` as a sentence: ``Waits for backup #12.``"""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def number(count: int | None) -> Markup | str:
    """A count with its thousands apart."""
    return UNKNOWN if count is None else f"{count:,}"


def span(seconds: float | None) -> str:
    """A length of time in its two largest units: ``3 min 12 s``."""
    if seconds is None:
        return "\N{EN DASH}"
    seconds = max(int(seconds), 0)
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min {seconds % _MINUTE:02d} s"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE:02d} min"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR:02d} h"


def age(moment: datetime, at: datetime | None = None) -> str:
    """How long ago, in one unit: ``3 h``, ``12 days``."""
    seconds = max(((at or now()) - moment).total_seconds(), 0)
    if seconds < _MINUTE:
        return "1 min"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min"
    if seconds < 2 * _DAY:
        return f"{int(seconds // _HOUR)} h"
    return f"{int(seconds // _DAY)} days"


def ago(moment: datetime, at: datetime | None = None) -> str:
    """``3 h ago``; ``in 5 min`` for what is to come."""
    at = at or now()
    ahead = (moment - at).total_seconds()
    if ahead > 5:
        return f"in {span(ahead)}"
    return "just now" if ahead > -45 else f"{age(moment, at)} ago"


def exact(moment: datetime, zone: ZoneInfo) -> str:
    """``23 Nov 2026, 20:41:06 CET``: the moment in a zone that is named."""
    there = moment.astimezone(zone)
    name = there.tzname() or ""
    shown = name if name[:1].isalpha() else f"UTC{name}"
    return (
        f"{there.day} {_MONTHS[there.month - 1]} {there.year}, "
        f"{there.hour:02d}:{there.minute:02d}:{there.second:02d} {shown}"
    )


def machine_time(moment: datetime) -> str:
    """For ``<time datetime>``: ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
