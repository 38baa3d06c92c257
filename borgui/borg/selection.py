"""What a person selects in an archive, as arguments that borg takes literally.

Paths are as borg stores them: relative, without a leading slash; ``str`` with surrogate escapes.
Borg 1.x shows a byte it cannot decode as ``?``, so a path read from its listings may mean such a
byte wherever it has one.
"""

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from borgui.borg.display import as_borg_prints

_SURROGATE: Final = re.compile(r"[\udc80-\udcff]")

_SHOWN_BYTE: Final = r"[?\udc80-\udcff]"
"""Inside borg a byte that is no UTF-8 is one of these characters; ``?`` stands for itself too."""

_NEVER_MATCHED: Final = re.compile(r"Include pattern '(?P<pattern>.*)' never matched\.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Selected:
    """One selected path with all below it. ``shown``: as borg's listings print it, not exact."""

    path: str
    shown: bool = False

    @property
    def is_pattern(self) -> bool:
        """Whether it may mean other names too, alike but for bytes that borg cannot show."""
        return self.shown and "?" in self.path

    @property
    def style(self) -> str:
        """The pattern style of :attr:`pattern`."""
        return "re" if self.is_pattern else "pp"

    @property
    def pattern(self) -> str:
        """The pattern after its style: what borg's message on it quotes."""
        if not self.is_pattern:
            return self.path
        return rf"\A{_SHOWN_BYTE.join(map(re.escape, self.path.split('?')))}(?:/|\Z)"

    @property
    def argument(self) -> str:
        """The PATH for borg's command line."""
        return f"{self.style}:{self.pattern}"


def problem(path: str) -> str | None:
    """Why ``path`` is not one that borg stores, as a sentence; None when it is."""
    if path.startswith("/"):
        return "Give paths as the archive stores them, without a leading slash."
    parts = path.rstrip("/").split("/")
    if not path or any(part in {"", ".", ".."} for part in parts):
        return "A path may not be empty nor hold empty parts, . or .. ."
    return None


def arguments(selected: Iterable[Selected]) -> tuple[str, ...]:
    """The PATHs that mean ``selected``, each once.

    The deepest come first: borg counts a match for the first pattern alone, and would say of a
    path within another selected one that it never matched.
    """
    unique = dict.fromkeys(selected)
    deepest = sorted(unique, key=lambda each: -each.path.count("/"))
    return tuple(each.argument for each in deepest)


def never_matched(selected: Sequence[Selected], messages: Iterable[str]) -> list[Selected]:
    """Those of ``selected`` that borg's warnings say are not in the archive.

    A folder counts as found when something below it was, even if the archive has no entry for it.
    """
    said = {found["pattern"] for text in messages if (found := _NEVER_MATCHED.fullmatch(text))}
    missing = [each for each in selected if as_borg_prints(each.pattern) in said]
    found_paths = [each.path for each in selected if each not in missing]
    return [
        each
        for each in missing
        if not any(path.startswith(f"{each.path}/") for path in found_paths)
    ]


def is_never_matched(message: str) -> bool:
    """Whether a warning says that a selected path is not in the archive."""
    return _NEVER_MATCHED.fullmatch(message) is not None


def stripped(path: str, components: int) -> str:
    """``path`` without its first parts, as borg strips them; "" when none is left."""
    return "/".join(path.split("/")[components:])


def common_folder(selected: Sequence[Selected], components: int) -> str:
    """The deepest folder, below the destination, that all of ``selected`` will lie in; "" is it."""
    if not selected:
        return ""
    folders = [posixpath.dirname(stripped(each.path, components)) for each in selected]
    return posixpath.commonpath(folders) if all(folders) else ""


def places(destination: str, selected: Sequence[Selected], components: int) -> list[str]:
    """The folders and files, each once, that ``selected`` comes to lie at; the destination itself
    stands for all of an archive. A name that is a pattern counts as the folder it is looked for in.
    """
    paths = (stripped(_fixed(each), components) for each in selected)
    found = [posixpath.join(destination, path) if path else destination for path in paths]
    return list(dict.fromkeys(found)) or [destination]


def _fixed(selected: Selected) -> str:
    """The leading part of a path that means one name only; ``""`` where there is none."""
    if not selected.is_pattern:
        return selected.path
    return posixpath.dirname(selected.path.partition("?")[0])


_START: Final = r"re:\A"

UPWARD: Final = r"re:(?:\A|/)\.\.(?:/|\Z)"
"""An exclude pattern for paths that lead out of where they are extracted; borg makes none."""


def keep_out(folder: str, components: int) -> str:
    """An exclude pattern for what would be extracted to ``folder`` (below the destination)."""
    body = _literal(folder)
    lead = f"(?:[^/]+/){{{components}}}" if components else ""
    return rf"{_START}{lead}{body}(?:/|\Z)"


def keep_to(folder: str, components: int) -> str:
    """An exclude pattern for all but what :func:`keep_out` keeps out."""
    rule = keep_out(folder, components).removeprefix(_START)
    return rf"{_START}(?!{rule})"


def keep_below(parts: Sequence[str], components: int) -> str:
    """An exclude pattern for what would be extracted below ``parts``, but not there itself.

    Archives made from a tar have paths with parts that mean nothing: ``./a//b``.
    """
    lead = f"(?:[^/]*/){{{components}}}" if components else ""
    return rf"re:\A{lead}" + "".join(rf"(?:\.?/)*{_literal(part)}/" for part in parts)


def exactly(path: str) -> str:
    """An exclude pattern for one path as it is stored."""
    return rf"re:\A{_literal(path)}\Z"


def _literal(text: str) -> str:
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", re.escape(text))
