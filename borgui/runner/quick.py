"""Answers to a page's questions about this machine, within its patience."""

import heapq
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from borgui import live
from borgui.borg.display import printable_path
from borgui.roots import EVERYTHING, is_inside, is_narrowed, leads_to, named, real
from borgui.runner import context, filesystem
from borgui.runner.spec import pack, unpack

MOST_ENTRIES = 2000


def list_folder(
    request: str,
    path_b64: str,
    folders_only: bool = True,
    roots: Sequence[str] = EVERYTHING,
) -> None:
    """List the folder whose path's bytes ``path_b64`` holds, for :func:`borgui.live.await_answer`.

    The answer: ``{"path", "path_b64", "parent_b64", "entries", "truncated", "error"}``, each entry
    ``{"name", "name_b64", "path_b64", "is_folder", "is_link", "is_readable"}``, sorted, at most
    ``MOST_ENTRIES``. ``error`` is ``None`` or a sentence, and then ``entries`` is empty. Nothing is
    told but what lies in ``roots``, links followed, or leads to them.
    """
    given = context.get()
    found = folder(path_b64, given.config.data_dir, folders_only, tuple(roots))
    live.answer(given.connect(), request, found)


def folder(
    path_b64: str, data_dir: Path, folders_only: bool, roots: tuple[str, ...] = EVERYTHING
) -> dict[str, Any]:
    """The answer of :func:`list_folder`."""
    found = _folder(path_b64, data_dir, folders_only, roots)
    if found["parent_b64"] and not _is_open(unpack(found["parent_b64"]), roots):
        found["parent_b64"] = None
    return found


def _folder(
    path_b64: str, data_dir: Path, folders_only: bool, roots: tuple[str, ...]
) -> dict[str, Any]:
    try:
        path = os.path.normpath(unpack(path_b64))
    except ValueError:
        return _refused("/", "This is no path.")
    if not path.startswith("/") or "\0" in path:
        return _refused("/", "A folder's path begins with a slash.")
    path = "/" + path.lstrip("/")
    if is_within(path, data_dir):
        return _refused(path, "This is borgui's own data folder: it is not shown.")
    if not _is_open(path, roots):
        return _refused(path, f"This lies outside of {named(roots)}.")
    try:
        found = _entries(path, data_dir)
        wanted = (
            entry
            for entry in found
            if (entry["is_folder"] or not folders_only)
            and (not is_narrowed(roots) or _is_open(unpack(entry["path_b64"]), roots))
        )
        entries = heapq.nsmallest(MOST_ENTRIES + 1, wanted, key=_order)  # not all in memory
    except OSError as error:
        return _refused(path, _reason(error))
    return _answer(path) | {
        "entries": entries[:MOST_ENTRIES],
        "truncated": len(entries) > MOST_ENTRIES,
    }


def _is_open(path: str, roots: tuple[str, ...]) -> bool:
    """Whether ``path`` may be shown: it leads to one of ``roots``, or lies in one, with its links
    followed too."""
    if is_inside(path, roots):
        return is_inside(os.path.realpath(path), real(roots))
    return len(roots) > 1 and leads_to(path, roots)


def is_within(path: str, folder: Path) -> bool:
    """Whether ``path``, its links followed, is ``folder`` or lies in it."""
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return real == root or real.startswith(f"{root}/")


def _entries(path: str, data_dir: Path) -> Iterator[dict[str, Any]]:
    with os.scandir(path) as found:
        for entry in found:
            is_link = entry.is_symlink()
            if is_link and is_within(entry.path, data_dir):
                continue
            is_folder = _is_folder(entry)
            yield {
                "name": printable_path(entry.name),
                "name_b64": pack(entry.name),
                "path_b64": pack(entry.path),
                "is_folder": is_folder,
                "is_link": is_link,
                "is_readable": not is_folder or filesystem.allows(entry.path, os.R_OK | os.X_OK),
            }


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISDIR(entry.stat().st_mode)
    except OSError:
        return False  # a link to nowhere, or gone since


def _order(entry: dict[str, Any]) -> tuple[bool, str, str]:
    return not entry["is_folder"], entry["name"].casefold(), entry["name"]


def _answer(path: str) -> dict[str, Any]:
    parent = None if path == "/" else pack(str(Path(path).parent))
    return {
        "path": printable_path(path),
        "path_b64": pack(path),
        "parent_b64": parent,
        "entries": [],
        "truncated": False,
        "error": None,
    }


def _refused(path: str, reason: str) -> dict[str, Any]:
    return _answer(path) | {"error": reason}


def _reason(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "This folder does not exist."
        case NotADirectoryError():
            return "This is a file, not a folder."
        case PermissionError():
            return "borgui may not read this folder."
        case _:
            return f"This folder cannot be read: {error.strerror}."
