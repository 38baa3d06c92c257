"""Deletes a repository. Borg does it, but at a path that is a link it removes its config and then
fails at the folder (1.2.4): there it is borgui that removes the folder.
"""

import os
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from borgui.borg import commands
from borgui.borg.display import printable_path
from borgui.borg.location import can_be_given
from borgui.borg.progress import Progress
from borgui.runner.failure import FailedError
from borgui.runner.spec import Step
from borgui.runner.steps import Reader
from borgui.runner.work import Work

_APPEND_ONLY = re.compile(rb"^append_only\s*=\s*[1-9]", re.MULTILINE)
_PARTS_GONE = "Some of the repository's data is deleted already."


def delete_repository(work: Work, step: Step) -> None:
    """The act of the step ``delete_repository``. Raises FailedError.

    Its parameter: ``repository``, borg's id of it.
    """
    path = step.local_repository
    if path is None or (can_be_given(path) and not Path(path).is_symlink()):
        _run(work, step)
        return
    # Borg waits for the repository's lock here, and forgets its cache of it.
    _run(work, replace(step, name="delete_cache", argv=tuple(commands.delete_cache())))
    borg_id = str(step.parameters["repository"])
    _remove(work, Path(path), borg_id)
    shutil.rmtree(work.config.borg_home / "security" / borg_id, ignore_errors=True)


def _run(work: Work, step: Step) -> None:
    ended = work.run_program(step, Reader())
    work.note(ended)
    work.conclude(ended)


def _remove(work: Work, path: Path, borg_id: str) -> None:
    folder = path.resolve()
    shown = printable_path(os.fspath(folder))
    try:
        config = (folder / "config").read_bytes()
        if not re.search(rb"^id\s*=\s*" + borg_id.encode() + rb"\s*$", config, re.MULTILINE):
            raise FailedError(
                "repository_changed",
                f"Another repository lies at {shown}. Nothing in it was changed.",
            )
        if _APPEND_ONLY.search(config):
            raise FailedError(
                "append_only",
                "The repository is append-only: its config forbids that it is deleted. Nothing in"
                " it was changed.",
            )
        work.log.line(f"Removing {shown}: borg cannot remove a folder that it is given by a link.")
        (folder / "config").unlink()  # the first to go, as with borg: from here it is none
        _empty(work, folder)
        folder.rmdir()
        if path.is_symlink():
            path.unlink()
            work.log.line(f"Removed the link that led there: {printable_path(os.fspath(path))}.")
    except OSError as error:
        message = f"{shown} cannot be removed: {error.strerror}. {_PARTS_GONE}"
        raise FailedError("folder_not_removed", message) from error


def _empty(work: Work, folder: Path) -> None:
    """Remove what is in it, without following a link. Raises FailedError when it must stop."""
    for _, folders, files, opened in os.fwalk(folder, topdown=False):
        for name in files:
            os.unlink(name, dir_fd=opened)
            work.progress(Progress())
            work.check_stop(_PARTS_GONE)
        for name in folders:
            with suppress(NotADirectoryError):
                os.rmdir(name, dir_fd=opened)
                continue
            os.unlink(name, dir_fd=opened)
