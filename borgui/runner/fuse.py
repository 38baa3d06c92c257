"""Mounting by FUSE on this machine: whether it can, what is mounted, and how it is ended.

Nothing here touches a file below a mountpoint: one whose borg stands still would keep us waiting.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from borgui.borg import commands
from borgui.borg.environment import DEFAULT_PATH
from borgui.config import Config
from borgui.runner import filesystem, process, program

DEVICE = Path("/dev/fuse")
ANSWER_SECONDS = 20.0
UNMOUNT_SECONDS = 5.0
_OF_A_JOB = re.compile(r".*-(?P<job>[0-9]{1,10})")


def problem() -> str | None:
    """Why nothing can be mounted on this machine, as a sentence; None where nothing is missing."""
    if not DEVICE.exists():
        return (
            "There is no /dev/fuse on this machine. Load the kernel's module fuse; a container "
            "must be given the device and the right to mount (docs/install.md)."
        )
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"borgui may not use /dev/fuse: {error.strerror}."
    if _unmounter() is None:
        return "The program fusermount3 is missing. Install it (on Debian: apt install fuse3)."
    return None


def problem_of_borg(config: Config) -> str | None:
    """Why the borg of this machine cannot mount; asks it, which takes half a second.

    It says so before it looks at anything else. Raises BorgMissingError.
    """
    borg = program.find(config)
    try:
        _, said = process.output_of(
            [borg.path, *commands.mount("x", "/dev/null")],
            seconds=ANSWER_SECONDS,
            env={**program.base_environment(config), "BORG_REPO": "/dev/null"},
        )
    except (process.StartError, OSError) as error:
        return f"borg could not be asked whether it can mount: {error}"
    return commands.mount_problem(said)


def is_mounted(folder: Path) -> bool:
    """Whether something is mounted there, working or not (proc(5), mountinfo)."""
    wanted = str(Path(os.path.realpath(folder.parent)) / folder.name)  # not what is in it
    with suppress(OSError):
        return wanted in filesystem.mountpoints()
    return False


def unmount(folder: Path, *, lazy: bool) -> bool:
    """End the mount there; whether it is gone.

    ``lazy``: also where it is in use. It is gone from the folder at once then, and for those who
    are in it as soon as its borg ends.
    """
    argv = _unmounter()
    if argv is None:
        return not is_mounted(folder)
    try:
        code, said = process.output_of(
            [*argv, "-uz" if lazy else "-u", os.fspath(folder)],
            seconds=UNMOUNT_SECONDS,
            env={"PATH": DEFAULT_PATH, "LC_ALL": "C"},
        )
    except process.StartError as error:
        process.log.warning("%s could not be unmounted: %s", folder, error)
        return False
    is_gone = not is_mounted(folder)
    if code and lazy and not is_gone:
        process.log.warning("%s could not be unmounted: %s", folder, said.strip())
    return is_gone


def _unmounter() -> list[str] | None:
    for name in ("fusermount3", "fusermount"):
        if (path := shutil.which(name, path=DEFAULT_PATH)) is not None:
            return [path]
    return None


def remove(folder: Path) -> bool:
    """End what is mounted there and remove the folder, which is empty then; whether it is gone.

    Never more than the folder itself: what is in a mount is not ours.
    """
    if is_mounted(folder):
        unmount(folder, lazy=True)
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        process.log.warning("%s could not be removed: %s", folder, error.strerror)
        return False
    return True


def left(folder: Path) -> list[tuple[int, Path]]:
    """The mountpoints in ``folder``, each with the job that made it."""
    return list(_found(folder))


def _found(folder: Path) -> Iterator[tuple[int, Path]]:
    with suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):  # names alone: a dead mount answers no stat
            job = _OF_A_JOB.fullmatch(path.name)
            if job is not None:
                yield int(job["job"]), path
