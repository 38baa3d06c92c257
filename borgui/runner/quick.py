"""Answers to a page's questions about this machine, within its patience."""

import base64
import heapq
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from borgui import live
from borgui.borg.display import printable_path
from borgui.runner import context

MOST_ENTRIES = 2000


def list_folder(request: str, path_b64: str, folders_only: bool = True) -> None:
    """List the folder whose path's bytes ``path_b64`` holds, for :func:`borgui.live.await_answer`.

    The answer: ``{"path", "path_b64", "parent_b64", "entries", "truncated", "error"}``, each entry
    ``{"name", "name_b64", "path_b64", "is_folder", "is_link", "is_readable"}``, sorted, at most
    ``MOST_ENTRIES``. ``error`` is ``None`` or a sentence, and then ``entries`` is empty.
    """
    given = context.get()
    live.answer(given.connect(), request, folder(path_b64, given.config.data_dir, folders_only))


def folder(path_b64: str, data_dir: Path, folders_only: bool) -> dict[str, Any]:
    """The answer of :func:`list_folder`."""
    try:
        path = os.path.normpath(os.fsdecode(base64.b64decode(path_b64, validate=True)))
    except ValueError:
        return _refused("/", "This is no path.")
    if not path.startswith("/") or "\0" in path:
        return _refused("/", "A folder's path begins with a slash.")
    path = "/" + path.lstrip("/")
    if is_within(path, data_dir):
        return _refused(path, "This is borgui's own data folder: it is not shown.")
    try:
        found = _entries(path, data_dir)
        wanted = (entry for entry in found if entry["is_folder"] or not folders_only)
        entries = heapq.nsmallest(MOST_ENTRIES + 1, wanted, key=_order)  # not all in memory
    except OSError as error:
        return _refused(path, _reason(error))
    return _answer(path) | {
        "entries": entries[:MOST_ENTRIES],
        "truncated": len(entries) > MOST_ENTRIES,
    }


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
                "name_b64": _pack(entry.name),
                "path_b64": _pack(entry.path),
                "is_folder": is_folder,
                "is_link": is_link,
                "is_readable": not is_folder or os.access(entry.path, os.R_OK | os.X_OK),
            }


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISDIR(entry.stat().st_mode)
    except OSError:
        return False  # a link to nowhere, or gone since


def _order(entry: dict[str, Any]) -> tuple[bool, str, str]:
    return not entry["is_folder"], entry["name"].casefold(), entry["name"]


def _answer(path: str) -> dict[str, Any]:
    parent = None if path == "/" else _pack(str(Path(path).parent))
    return {
        "path": printable_path(path),
        "path_b64": _pack(path),
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


def _pack(path: str) -> str:
    return base64.b64encode(os.fsencode(path)).decode()
