"""Archive name templates: checked, expanded, and turned into the glob of their own archives.

A template holds borg's placeholders (``borg help placeholders``). ``{now}`` and ``{utcnow}`` are
expanded here, in the plan's time zone, and ``{hostname}`` where it is known; the others are left to
borg.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from string import Formatter
from typing import Final

DEFAULT_TEMPLATE: Final = "{hostname}-{now}"

DEFAULT_DATE_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%f"
"""To the microsecond, so that the names of two backups never collide."""

MAX_LENGTH: Final = 200

CHECKPOINT: Final = r"\.checkpoint(\.[0-9]+)?$"
"""In a name: what borg calls an archive that it has not finished. A database reads this too."""

_D: Final = "[0-9]"

_DIRECTIVES: Final = {
    "Y": _D * 4,
    "G": _D * 4,
    "m": _D * 2,
    "d": _D * 2,
    "H": _D * 2,
    "I": _D * 2,
    "M": _D * 2,
    "S": _D * 2,
    "f": _D * 6,
    "y": _D * 2,
    "j": _D * 3,
    "V": _D * 2,
    "U": _D * 2,
    "W": _D * 2,
    "u": _D,
    "w": _D,
    "F": f"{_D * 4}-{_D * 2}-{_D * 2}",
    "T": f"{_D * 2}:{_D * 2}:{_D * 2}",
    "a": "[A-Z][a-z][a-z]",
    "b": "[A-Z][a-z][a-z]",
    "p": "[AP]M",
    "z": f"[+-]{_D * 4}",
    "%": "%",
}
"""The date directives allowed, with the glob of what they make; each has one length."""

_DATES: Final = frozenset({"now", "utcnow"})
_STEADY: Final = frozenset({"hostname", "fqdn", "reverse-fqdn", "user"})
_HEX: Final = "[0-9a-f]"
_UUID: Final = "-".join(_HEX * count for count in (8, 4, 4, 4, 12))
_SHAPELESS: Final = frozenset({"pid", "borgversion", "borgmajor", "borgminor", "borgpatch"})
_KNOWN: Final = _DATES | _STEADY | _SHAPELESS | {"uuid4"}

_FORBIDDEN: Final = re.compile(r"[/*?\[\]\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SAMPLE: Final = datetime(2026, 11, 23, 20, 25, 55, 123456, tzinfo=UTC)


class TemplateError(ValueError):
    """Not a usable archive name template; the message says why."""


def validate_template(template: str) -> str:
    """Return ``template`` if each backup gets a legal name of its own from it.

    Raises :class:`TemplateError` with a sentence for the person who typed it.
    """
    fields = [name for _, name, _ in _parts(template) if name is not None]
    if not _DATES.union({"uuid4"}).intersection(fields):
        raise TemplateError("Put {now} into the name, so that each backup gets a name of its own.")
    sample = expand_template(template, _SAMPLE, UTC)
    _check_name(sample)
    return template


def validate_name(name: str) -> str:
    """Return ``name`` if an archive may be called so, braces excepted: borg reads them.

    Raises :class:`TemplateError` with a sentence for the person who typed it.
    """
    _check_name(name)
    if "{" in name or "}" in name:
        raise TemplateError("A name may not hold braces: borg takes them for placeholders.")
    return name


def expand_template(
    template: str, moment: datetime, zone: tzinfo, hostname: str | None = None
) -> str:
    """Fill in ``{now}`` (in ``zone``), ``{utcnow}`` and, where it is given, ``{hostname}``; the
    result still is borg's to read.

    ``moment`` is aware. ``{now}`` -> ``2026-11-23T20:25:55.123456``. Other placeholders and
    doubled braces stay as they are.
    """
    times = {"now": moment.astimezone(zone), "utcnow": moment.astimezone(UTC)}
    made = []
    for literal, name, spec in _parts(template):
        made.append(_escaped(literal))
        if name in times:
            made.append(times[name].strftime(spec or DEFAULT_DATE_FORMAT))
        elif name == "hostname" and hostname:
            made.append(_escaped(hostname))
        elif name is not None:
            made.append("{" + name + "}")
    return "".join(made)


def literal_name(expanded: str) -> str | None:
    """The name that borg makes of an expanded template; None where borg has to fill in more."""
    parts = list(_parts(expanded))
    if any(name is not None for _, name, _ in parts):
        return None
    return "".join(literal for literal, _, _ in parts)


def template_glob(template: str) -> str:
    """Return the ``--glob-archives`` of what this template makes and of nothing longer.

    Each date part becomes as many digits as it has, so ``web-{now:%Y}`` gives
    ``web-[0-9][0-9][0-9][0-9]`` and never catches ``web-db-2026``. ``{hostname}`` and its like
    stay for borg to fill in. Raises :class:`TemplateError` for parts without a fixed shape.
    """
    made = []
    for literal, name, spec in _parts(template):
        made.append(_escaped(literal))
        if name is None:
            continue
        if name in _DATES:
            made.append(_date_glob(spec or DEFAULT_DATE_FORMAT))
        elif name == "uuid4":
            made.append(_UUID)
        elif name in _STEADY:
            made.append("{" + name + "}")
        else:
            raise TemplateError(
                f"Archives named with {{{name}}} cannot be told from others: its length varies."
            )
    return "".join(made)


def _escaped(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


def _parts(template: str) -> Iterator[tuple[str, str | None, str]]:
    """Yield (literal, placeholder or None, its format), each checked."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(
            "A brace stands alone. Write {{ and }} for braces that are meant as such."
        ) from error
    for literal, name, spec, conversion in parts:
        if name is not None:
            _check_placeholder(name, spec or "", conversion)
        yield literal, name, spec or ""


def _check_placeholder(name: str, spec: str, conversion: str | None) -> None:
    if name not in _KNOWN:
        raise TemplateError(f"borg has no placeholder {{{name}}}.")
    if conversion or "{" in spec or "}" in spec:
        raise TemplateError(f"The placeholder {{{name}}} takes no such format.")
    if spec and name not in _DATES:
        raise TemplateError(f"The placeholder {{{name}}} takes no format.")
    _date_glob(spec)


def _date_glob(spec: str) -> str:
    """Turn a date format into its glob; refuses directives of other or varying length."""
    made = []
    position = 0
    while position < len(spec):
        if spec[position] != "%":
            made.append(spec[position])
            position += 1
            continue
        directive = spec[position + 1 : position + 2]
        if directive not in _DIRECTIVES:
            raise TemplateError(
                f"%{directive} cannot be used in a name. Use %Y %m %d %H %M %S %f and the like."
            )
        made.append(_DIRECTIVES[directive])
        position += 2
    return "".join(made)


def _check_name(name: str) -> None:
    if name != name.strip():
        raise TemplateError("A name may not begin or end with a blank.")
    found = _FORBIDDEN.search(name)
    if found:
        raise TemplateError(f"A name may not hold {found.group()!r}.")
    if "::" in name:
        raise TemplateError("A name may not hold '::', which ends a repository's path for borg.")
    if re.search(CHECKPOINT, name):
        raise TemplateError("A name may not end in .checkpoint: borg uses that for its own.")
    if len(name) > MAX_LENGTH:
        raise TemplateError(f"A name may have {MAX_LENGTH} characters at most.")
