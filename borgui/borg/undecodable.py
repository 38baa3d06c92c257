"""Paths that are not UTF-8, said to borg in plain ASCII.

borg 1.2.4 keeps its command line in the archive and cannot store one that is not UTF-8: it reads
every file and then fails at the end (measured: ``PackException``, exit 2). So such bytes never
stand in argv. Inside borg each is one lone surrogate (U+DC80 to U+DCFF), which a ``re:`` pattern
can name as ``\\udcXX``: a source becomes its nearest ancestor that is UTF-8, with rules that let
pass exactly that source, and an exclude pattern becomes the ``re:`` of the same meaning.
"""

import fnmatch
import posixpath
import re
from collections.abc import Sequence
from typing import Final

from borgui.borg.patterns import split_style, translate_shell

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def is_utf8(text: str) -> bool:
    """Whether the bytes behind ``text`` are UTF-8."""
    return _SURROGATE.search(text) is None


def say_sources(sources: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (sources for argv, values for ``--pattern``), both UTF-8, that mean ``sources``.

    The rules are for the end of the list: what a person excludes comes first. The folders above
    an undecodable source are stored too, without their other contents.
    """
    odd = [source for source in sources if not is_utf8(source)]
    if not odd:
        return tuple(sources), ()
    roots = _outermost([_ancestor(source) for source in odd])
    named = [source for source in sources if not any(_below(source, root) for root in roots)]
    rules = []
    for source in sources:
        root = next((root for root in roots if _below(source, root) and source != root), None)
        if root is not None:
            rules += _rules_for(source, root)
    whole = {root for root in roots if root in sources}
    closed = [root for root in roots if root not in whole]
    rules += [f"! re:\\A{_literal(_inside(root))}." for root in closed]
    return (*named, *roots), tuple(dict.fromkeys(rules))


def say_exclude(pattern: str) -> str:
    """Return an exclude pattern of the same meaning that is UTF-8."""
    if is_utf8(pattern):
        return pattern
    style, text = split_style(pattern, "fm")
    if style == "re":
        return f"re:{_escape(text)}"
    end = "/" if text.endswith("/") and style in {"fm", "sh"} else r"(?:/|\Z)"
    path = posixpath.normpath(text).lstrip("/")
    if style == "pf":
        body, end = re.escape(path), r"\Z"
    elif style == "pp":
        body = re.escape(path)
    elif style == "sh":
        body = translate_shell(path)
    else:
        body = fnmatch.translate(path).removesuffix(r"\Z")
    return f"re:\\A{_escape(body)}{end}"


def _rules_for(source: str, root: str) -> list[str]:
    """Let pass the folders between ``root`` and the source, then the source and all in it."""
    names = posixpath.relpath(source, root).split("/")
    rules = []
    for depth in range(1, len(names)):
        folder = posixpath.join(root, *names[:depth]).lstrip("/")
        rules.append(f"+ re:\\A{_literal(folder)}\\Z")
    return [*rules, f"+ re:\\A{_literal(source.lstrip('/'))}(?:/|\\Z)"]


def _ancestor(source: str) -> str:
    while not is_utf8(source):
        source = posixpath.dirname(source)
    return source


def _outermost(folders: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for folder in sorted(set(folders), key=len):
        if not any(_below(folder, root) for root in kept):
            kept.append(folder)
    return kept


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(_with_slash(root))


def _inside(root: str) -> str:
    return _with_slash(root).lstrip("/")


def _with_slash(root: str) -> str:
    return root.rstrip("/") + "/"


def _literal(text: str) -> str:
    return _escape(re.escape(text))


def _escape(regex: str) -> str:
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", regex)
