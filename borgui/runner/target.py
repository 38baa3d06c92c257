"""Whether a folder can be restored to: looked at before borg runs."""

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path

from borgui.runner.failure import FailedError


def normal(path: str) -> str:
    """The destination without doubled slashes and the like; raises FailedError."""
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise FailedError("destination_refused", "The destination must be an absolute path.")
    return os.path.normpath(path).replace("//", "/")


def is_inside(path: str, folders: Iterable[str]) -> bool:
    """Whether ``path``, as it is written, is one of ``folders`` or lies in one."""
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in folders)


def refuse_inside(destination: str, protected: Iterable[str]) -> None:
    """Raise FailedError for a destination in a folder that nothing is written to."""
    folders = tuple(protected)
    if is_inside(destination, folders) or is_inside(os.path.realpath(destination), folders):
        raise FailedError(
            "destination_refused",
            "Nothing is restored into borgui's own data folder or into a repository. Choose"
            " another destination.",
        )


def deepest(destination: str, inside: str) -> str:
    """The deepest folder that exists on the way to ``inside`` below the destination.

    Above the destination links are followed, below it they are not.
    """
    path = destination
    while not os.path.lexists(path):
        path = posixpath.dirname(path)
    if path != destination:
        return path
    for part in inside.split("/") if inside else ():
        further = posixpath.join(path, part)
        if posixpath.islink(further) or not posixpath.isdir(further):
            break
        path = further
    return path


def check(folder: str) -> None:
    """Raise FailedError where nothing can be made in ``folder``."""
    if not posixpath.isdir(folder):
        raise FailedError(
            "destination_not_a_folder", "The destination is no folder: a file has its name."
        )
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise FailedError(
            "destination_read_only", "The file system of the destination is mounted read-only."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FailedError("destination_not_writable", "borgui may not write to the destination.")


def free(folder: str) -> int:
    """Bytes that can be written there."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def identities(folders: Iterable[str]) -> frozenset[tuple[int, int]]:
    """Device and inode of those that exist."""
    found = set()
    for folder in folders:
        if posixpath.isdir(folder):
            status = Path(folder).stat()
            found.add((status.st_dev, status.st_ino))
    return frozenset(found)
