"""Borg 1.x's exclude patterns as a matcher, to walk the files that a backup will read.

The same rules as borg's own (``borg help patterns``), tested against real borg: the first rule
that matches decides, but an exact path (``pf:``) comes before all others. Paths are str with
surrogateescape, as given to borg.
"""

import fnmatch
import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

_Matches = Callable[[str], bool]


class PatternError(ValueError):
    """Not a pattern borg takes; the message says why."""


class Decision(Enum):
    """What becomes of a path."""

    INCLUDE = "include"
    EXCLUDE = "exclude"
    """Not stored, and a folder is not entered."""
    EXCLUDE_BUT_ENTER = "exclude_but_enter"
    """Not stored, but what lies in the folder is looked at."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern: ``exact`` for ``pf:`` (the path without its leading slash), else ``matches``."""

    decision: Decision
    matches: _Matches
    exact: str | None = None


class Matcher:
    """Decides for paths, by rules in borg's order."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._exact: dict[str, Decision] = {}
        self._rules: list[Rule] = []
        for rule in rules:
            if rule.exact is None:
                self._rules.append(rule)
            else:
                self._exact[rule.exact] = rule.decision

    @classmethod
    def from_argv(cls, argv: Sequence[str]) -> "Matcher":
        """Make one from the ``--exclude=`` and ``--pattern=`` arguments of a borg command."""
        rules = []
        for word in argv:
            if word == "--":
                break
            flag, _, value = word.partition("=")
            if flag == "--exclude":
                rules.append(parse_exclude(value))
            elif flag == "--pattern":
                rules.append(parse_pattern_rule(value))
        return cls(rules)

    def decide(self, path: str) -> Decision:
        """Return the fate of an absolute path; its parents are taken to have been entered."""
        path = path.lstrip("/")
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        for rule in self._rules:
            if rule.matches(path):
                return rule.decision
        return Decision.INCLUDE


def parse_exclude(text: str) -> Rule:
    """Parse a value of ``--exclude`` (default style ``fm:``); raises :class:`PatternError`."""
    if not text:
        raise PatternError("A pattern may not be empty.")
    return _rule(text, "fm", Decision.EXCLUDE)


_COMMANDS: Final = {
    "+": Decision.INCLUDE,
    "-": Decision.EXCLUDE_BUT_ENTER,
    "!": Decision.EXCLUDE,
}


def parse_pattern_rule(text: str) -> Rule:
    """Parse a value of ``--pattern`` (``+ P``, ``- P``, ``! P``; default style ``sh:``).

    Borg's other commands are refused: ``R`` would add a source folder, ``P`` does nothing here.
    """
    decision = _COMMANDS.get(text[:1])
    rest = text[1:].lstrip()
    if decision is None or not rest:
        raise PatternError("Write + PATTERN, - PATTERN or ! PATTERN.")
    return _rule(rest, "sh", decision)


def split_style(text: str, default: str) -> tuple[str, str]:
    """Split ``sh:*.o`` into its style and the pattern, as borg does."""
    if len(text) > 2 and text[2] == ":" and text[:2].isalnum():
        return text[:2], text[3:]
    return default, text


def _rule(text: str, style: str, decision: Decision) -> Rule:
    if "\x00" in text:
        raise PatternError("A pattern cannot hold a NUL.")
    style, text = split_style(text, style)
    if style == "pf":
        exact = posixpath.normpath(text).lstrip("/")
        return Rule(decision, exact.__eq__, exact)
    if style not in _STYLES:
        raise PatternError(f"There is no pattern style {style}:. Use fm: sh: re: pp: or pf:.")
    try:
        return Rule(decision, _STYLES[style](text))
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(f"{text!r} is not a regular expression: {error}.") from error


def _prefix(pattern: str) -> _Matches:
    prefix = (posixpath.normpath(pattern).rstrip("/") + "/").lstrip("/")
    return lambda path: f"{path}/".startswith(prefix)


def _fnmatch(pattern: str) -> _Matches:
    regex = re.compile(fnmatch.translate(_below(pattern, "*", "*/")))
    return lambda path: regex.match(f"{path}/") is not None


def _shell(pattern: str) -> _Matches:
    regex = re.compile(rf"(?ms:{translate_shell(_below(pattern, '**/*', '**/*/'))})\Z")
    return lambda path: regex.match(f"{path}/") is not None


def _regex(pattern: str) -> _Matches:
    regex = re.compile(pattern)
    return lambda path: regex.search(path) is not None


_STYLES: Final[dict[str, Callable[[str], _Matches]]] = {
    "fm": _fnmatch,
    "sh": _shell,
    "re": _regex,
    "pp": _prefix,
}


def _below(pattern: str, whole: str, contents: str) -> str:
    """A pattern means a folder and all in it; with a slash at its end only what is in it."""
    if pattern.endswith("/"):
        return (posixpath.normpath(pattern).rstrip("/") + "/" + contents).lstrip("/")
    return (posixpath.normpath(pattern) + "/" + whole).lstrip("/")


_SHELL_TOKEN: Final = re.compile(
    r"(?P<deep>\*\*/)|(?P<star>\*)|(?P<one>\?)|\[(?P<set>!?+\]?+[^\]]*)\]|(?P<other>.)", re.DOTALL
)


def typeable(path: str) -> str:
    """Return an exclude pattern for ``path`` and what is below it that can be typed: ``?`` stands
    for each character that cannot, or that means something, and so other paths may match too."""
    if path.isprintable():
        return f"pp:{path}"
    return "sh:" + "".join(
        char if char.isprintable() and char not in "[*?" else "?" for char in path
    )


def translate_shell(pattern: str) -> str:
    """Return a shell pattern as a regex: ``**/`` is any folders, ``*``, ``?`` stop at a slash."""
    made = []
    for token in _SHELL_TOKEN.finditer(pattern):
        if token["deep"]:
            made.append("(?:[^/]*/)*")
        elif token["star"]:
            made.append("[^/]*")
        elif token["one"]:
            made.append("[^/]")
        elif token["set"] is not None:
            made.append(_shell_set(token["set"]))
        else:
            made.append(re.escape(token["other"]))
    return "".join(made)


def _shell_set(members: str) -> str:
    members = members.replace("\\", "\\\\")
    if members.startswith("!"):
        members = "^" + members[1:]
    elif members.startswith("^"):
        members = "\\" + members
    return f"[{members}]"
