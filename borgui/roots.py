"""Roots: the folders that sources or destinations must lie in, as an admin has narrowed them.

Paths are absolute, ``str`` with surrogate escapes. Nothing here but :func:`real` looks at the disk.
"""

import os
from collections.abc import Iterable, Sequence

from borgui.borg.display import printable_path

EVERYTHING = ("/",)
"""No limit."""
NAMED = 5
"""So many are named in a message."""


def canonical(path: str) -> str:
    """``path`` without ``//``, ``.`` and ``..``, as text; one that is not absolute stays."""
    return os.path.normpath("/" + path.lstrip("/")) if path.startswith("/") else path


def is_inside(path: str, folders: Iterable[str]) -> bool:
    """Whether ``path``, as it is written, is one of ``folders`` or lies in one."""
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in folders)


def leads_to(path: str, roots: Iterable[str]) -> bool:
    """Whether ``path``, as it is written, is a folder above one of ``roots``."""
    return any(is_inside(root, [path]) for root in roots)


def is_narrowed(roots: Iterable[str]) -> bool:
    """Whether ``roots`` leave anything out."""
    return "/" not in roots


def named(roots: Sequence[str]) -> str:
    """``roots`` as a sentence names them, after "outside of"."""
    few = ", ".join(map(printable_path, roots[:NAMED]))
    more = f" and {len(roots) - NAMED} more" if len(roots) > NAMED else ""
    return f"what an admin has left open: {few}{more}"


def real(roots: Iterable[str]) -> tuple[str, ...]:
    """``roots`` of this machine, their links followed."""
    return tuple(os.path.realpath(root) for root in roots)
