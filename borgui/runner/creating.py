"""New repositories: ``borg init``, also where an earlier try may have come as far as that."""

import os
import re
from pathlib import Path

from borgui.borg.causes import BY_TEXT, FAILED, PARENT_MISSING, PATH_TAKEN, REPOSITORY_EXISTS
from borgui.borg.display import printable_path
from borgui.borg.location import can_be_given
from borgui.runner import locks, program
from borgui.runner.failure import FailedError
from borgui.runner.spec import Step
from borgui.runner.steps import Ended, Reader
from borgui.runner.work import Work

_OF_INIT = re.compile(r"README|config|config-\w+\.tmp|data|lock\.exclusive|lock\.roster")
"""What lies in a repository before borg has written anything to it: its manifest is the first."""
_NOT_MADE = "No repository was made."


def init(work: Work, step: Step) -> None:
    """The act of the step ``init``. Where ``parameters`` has ``may_exist``, a repository that
    exists is no failure: one that was never finished is removed and made again, and of any other
    the step that follows finds out whether it is ours."""
    may_exist = bool(step.parameters.get("may_exist"))
    if step.local_repository is not None and not can_be_given(step.local_repository):
        _make_folder(Path(step.local_repository))
    ended = work.run_program(step, Reader())
    if may_exist and _is_taken(ended) and _removed_unfinished(work, step):
        work.log.line("An earlier try had left a repository unfinished and empty: it is removed.")
        ended = work.run_program(step, Reader())
    work.note(ended)
    if may_exist and ended.verdict.error_code == REPOSITORY_EXISTS.code:
        work.log.line("An earlier try may have made it. It is opened, to see whether it is ours.")
        return
    work.conclude(ended)


def _make_folder(folder: Path) -> None:
    """What borg itself cannot do by a link: look whether one of the folders above is a repository,
    and make its own. What is at the path already is left for it to judge. Raises FailedError."""
    for above in folder.parents:
        if _is_repository(above):
            raise FailedError(
                REPOSITORY_EXISTS.code,
                f"There is a repository at {printable_path(os.fspath(above))}, and borg makes none "
                "within another. Choose another path.",
            )
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    except FileNotFoundError as error:
        raise FailedError(PARENT_MISSING.code, f"{PARENT_MISSING.sentence} {_NOT_MADE}") from error
    except OSError as error:
        cause = next((cause for text, cause in BY_TEXT if text in str(error)), FAILED)
        message = f"The repository's folder cannot be made: {error.strerror}. {_NOT_MADE}"
        raise FailedError(cause.code, message) from error


def _is_repository(folder: Path) -> bool:
    """Whether borg would take it for one: by its README, as 1.2.4 does."""
    try:
        with (folder / "README").open("rb") as file:
            head = file.read(100)
    except OSError:
        return False
    return b"Borg Backup repository" in head or b"Borg repository" in head


def _is_taken(ended: Ended) -> bool:
    return ended.verdict.error_code in {REPOSITORY_EXISTS.code, PATH_TAKEN.code}


def _removed_unfinished(work: Work, step: Step) -> bool:
    """Whether what a borg that was ended in the middle of its init has left was taken away.

    Nothing goes that could be missed: no key, no segment, and nothing that somebody else put there
    or still works on. That the folder of segments can be removed is what proves it empty.
    """
    folder = Path(step.local_repository or "")
    try:
        if step.local_repository is None or not _is_unfinished(work, folder):
            return False
        for segments in (folder / "data/0", folder / "data"):
            if segments.exists():
                segments.rmdir()
        locks.remove(folder)
        for each in sorted(folder.iterdir(), reverse=True):  # by its README borg knows it
            each.unlink()
    except OSError as error:
        work.log.line(f"What an earlier try has left cannot be removed: {error}.")
        return False
    return True


def _is_unfinished(work: Work, folder: Path) -> bool:
    found = list(folder.iterdir())
    if not all(_OF_INIT.fullmatch(each.name) for each in found):
        return False
    configs = [each for each in found if each.name.startswith("config")]
    if any(re.search(rb"^key\b", each.read_bytes(), re.MULTILINE) for each in configs):
        return False
    borg, host = program.find(work.config).path, program.host_id(work.config)
    return all(owner.is_dead(host, borg) for owner in locks.owners(folder))
