"""Sees which repository lies at a path, before borg takes the path into its memory.

Borg remembers where a repository was last. Opened by a second path, one that is here already would
be said to have moved at its next backup.
"""

import os
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from borgui import durable
from borgui.borg import commands, environment
from borgui.borg.causes import KEY_MISSING
from borgui.runner.failure import FailedError
from borgui.runner.spec import Step
from borgui.runner.staging import Staging
from borgui.runner.steps import Ended, Reader
from borgui.runner.work import Work


def look(work: Work, step: Step) -> None:
    """The act of the step ``look``: ``borg list`` with a memory of its own, dropped afterwards.

    Its parameter ``known`` maps borg's ids of other repositories to sentences. Raises FailedError
    with that of the one it finds. Whatever borg's own memory forbids, the next run is refused.

    Its stdin is a key file, where one was given. It is put into borg's folder of keys once the
    repository was opened with it; what was there for the same repository is kept until then.
    """
    scratch = Staging(work.config.run, work.job, work.attempt)
    try:
        folder = scratch.make(os.fspath(work.config.borg_home))
        apart = {**step.env, **environment.ACCEPT_UNENCRYPTED, **environment.forgetful(folder)}
        if step.stdin is None:
            ended = work.run_program(replace(step, env=apart), Reader())
        else:
            apart |= environment.keyless(folder)
            ended = _open_with_key(work, replace(step, env=apart))
        work.note(ended)
        work.conclude(ended)
        seen = ((ended.answer or {}).get("repository") or {}).get("id")
        if (sentence := step.parameters["known"].get(seen)) is not None:
            raise FailedError("repository_known", sentence)
        if step.stdin is not None:
            _keep_keys(Path(apart["BORG_KEYS_DIR"]), work.config.borg_home / "keys")
    except OSError as error:
        message = f"borgui's data folder cannot be used: {error.strerror}."
        raise FailedError("data_folder", message) from error
    finally:
        scratch.remove()


def _open_with_key(work: Work, step: Step) -> Ended:
    """Only a key that is missing is imported: borg would write it over the one that a repository
    holds in itself, before it is known whether it is the right one."""
    look_step = replace(step, stdin=None)
    ended = work.run_program(look_step, Reader())
    if ended.verdict.error_code != KEY_MISSING.code:
        return ended
    work.log.line("It is opened with the key file that was given.")
    imported = work.run_program(
        replace(step, name="key_import", argv=tuple(commands.key_import())), Reader()
    )
    work.note(imported)
    work.conclude(imported)
    return work.run_program(look_step, Reader())


def _keep_keys(made: Path, keys: Path) -> None:
    """Move what borg has imported to where it looks, in the place of an earlier key for the same
    repository, as borg itself would. Raises OSError."""
    for key in made.iterdir() if made.exists() else ():
        with key.open("rb") as file:
            os.fsync(file.fileno())
            first_line = file.readline()
        key.replace(_place_of(key.name, first_line, keys))
    durable.sync_folder(keys)


def _place_of(name: str, first_line: bytes, keys: Path) -> Path:
    """``first_line`` names the repository."""
    for each in keys.iterdir():
        with each.open("rb") as file:
            if file.readline(len(first_line)) == first_line:
                return each
    names = chain([name], (f"{name}.{number}" for number in count(2)))
    return next(keys / each for each in names if not (keys / each).exists())
