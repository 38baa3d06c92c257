"""Whether a folder can be restored to: looked at before borg runs."""

import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from borgui.borg.display import printable_path, size_text
from borgui.roots import is_inside, is_narrowed, named, real
from borgui.runner import filesystem
from borgui.runner.failure import FailedError


def normal(path: str) -> str:
    """The destination without doubled slashes and the like; raises FailedError."""
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise FailedError("destination_refused", "The destination must be an absolute path.")
    return os.path.normpath(path).replace("//", "/")


def refuse_inside(destination: str, protected: Iterable[str]) -> None:
    """Raise FailedError for a destination in a folder that nothing is written to."""
    folders = tuple(protected)
    if is_inside(destination, folders) or is_inside(os.path.realpath(destination), folders):
        raise FailedError(
            "destination_refused",
            "Nothing is restored into borgui's own data folder or into a repository. Choose"
            " another destination.",
        )


def refuse_outside(places: Iterable[str], roots: Sequence[str]) -> None:
    """Raise FailedError where one of ``places`` (free of links) lies outside of ``roots``."""
    allowed = real(roots)
    for place in places:
        if not is_inside(place, allowed):
            raise _outside(place, roots)


def refuse_links_out(
    destination: str, places: Iterable[str], roots: Sequence[str], tick: Callable[[], None]
) -> None:
    """Raise FailedError where borg, which writes to ``places`` below ``destination`` and follows
    the links it meets as folders there, could leave ``roots``.

    Reads every folder below them; ``tick`` is called for each, and may raise.
    """
    if not is_narrowed(roots):
        return
    allowed = real(roots)
    waiting = []
    for place in places:
        followed = os.path.realpath(place)
        if not is_inside(followed, allowed) or (
            place != destination and not is_inside(_parent_followed(place), allowed)
        ):
            raise _outside(place, roots)
        waiting.append(followed)
    seen = set(waiting)
    while waiting:
        tick()
        for path in _folders(waiting.pop()):
            followed = os.path.realpath(path)
            if not is_inside(followed, allowed):
                raise _outside(path, roots)
            if followed not in seen:
                seen.add(followed)
                waiting.append(followed)


def _parent_followed(path: str) -> str:
    parent, name = posixpath.split(path)
    return posixpath.join(os.path.realpath(parent), name)


def _folders(folder: str) -> list[str]:
    """What lies in ``folder`` and is a folder, or a link to one; nothing where it is none."""
    try:
        with os.scandir(folder) as entries:
            return [each.path for each in entries if each.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise FailedError(
            "destination_not_readable",
            f"borgui may not look into {printable_path(folder)}, where a link could lead out of"
            " the folders that an admin has left open. Nothing was restored.",
        ) from error


def _outside(path: str, roots: Sequence[str]) -> FailedError:
    return FailedError(
        "destination_outside_roots",
        f"{printable_path(path)} lies outside of {named(roots)}, or leads there by a link."
        " Nothing was restored.",
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


def sheltered(folder: str) -> str:
    """Where a folder of ours is made for ``folder``: there, or for root in the deepest folder above
    it on the same mount where no other user can put something else in its place, if there is one.
    """
    if os.geteuid():
        return folder
    real_folder = os.path.realpath(folder)
    found, path = None, "/"
    for part in ("", *filter(None, real_folder.split("/"))):
        path = posixpath.join(path, part)
        status = os.lstat(path)
        is_open = bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
        if status.st_uid or (is_open and not status.st_mode & stat.S_ISVTX):
            break
        found = path
    if found is None or found == real_folder or _mount_id(found) != _mount_id(real_folder):
        return folder
    return found if filesystem.allows(found, os.W_OK | os.X_OK) else folder


def _mount_id(folder: str) -> str:
    """The kernel's number of the mount: within one of them a rename is enough."""
    opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        lines = Path(f"/proc/self/fdinfo/{opened}").read_text().splitlines()
    finally:
        os.close(opened)
    return next(line for line in lines if line.startswith("mnt_id:"))


def check(folder: str) -> None:
    """Raise FailedError where nothing can be made in ``folder``."""
    check_usable(folder)
    if not filesystem.allows(folder, os.W_OK | os.X_OK):
        raise FailedError("destination_not_writable", "borgui may not write to the destination.")


def check_usable(folder: str) -> None:
    """:func:`check` without the last of it: something in the folder may be ours to write to."""
    if not posixpath.isdir(folder):
        raise FailedError(
            "destination_not_a_folder", "The destination is no folder: a file has its name."
        )
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise FailedError(
            "destination_read_only", "The file system of the destination is mounted read-only."
        )


def lack(folder: str, size: int) -> str | None:
    """What to say where ``size`` bytes do not fit there; None where they do."""
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if size <= free:
        return None
    return f"It needs {size_text(size)} and {size_text(free)} is free at the destination."


def identities(folders: Iterable[str]) -> frozenset[tuple[int, int]]:
    """Device and inode of those that exist."""
    found = set()
    for folder in folders:
        if posixpath.isdir(folder):
            status = Path(folder).stat()
            found.add((status.st_dev, status.st_ino))
    return frozenset(found)
