"""Backups: what is looked at on the machine before ``borg create`` runs."""

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import replace

from borgui.borg import commands
from borgui.borg.display import printable_path
from borgui.config import Config
from borgui.roots import EVERYTHING, is_inside, named, real
from borgui.runner.failure import FailedError
from borgui.runner.spec import Step, unpack
from borgui.runner.steps import Reader
from borgui.runner.work import Work
from borgui.security import keys


def create(work: Work, step: Step) -> None:
    """The act of the step ``create``. Raises FailedError, before borg runs where a source leads
    out of the roots: ``parameters`` has ``sources_b64`` and ``roots_b64``. What is not ours to
    back up is left out, the secret key too unless they say ``include_secret_key``."""
    given = step.parameters
    sources = list(map(unpack, given.get("sources_b64") or ()))
    roots = tuple(map(unpack, given.get("roots_b64") or ())) or EVERYTHING
    allowed = real(roots)
    for source in sources:
        followed = os.path.realpath(source)
        if not is_inside(followed, allowed):
            raise FailedError(
                "source_outside_roots",
                f"The source folder {printable_path(source)} is {printable_path(followed)}, which "
                f"lies outside of {named(roots)}. Nothing was backed up.",
            )
    key = () if given.get("include_secret_key") else (keys.FILE_NAME,)
    left_out = tuple(dict.fromkeys(not_ours(work.config, sources, key)))
    step = replace(step, argv=commands.leaving_out(step.argv, left_out))
    ended = work.run_program(step, Reader())
    work.note(ended)
    if ended.answer is not None:
        work.answer(step).update(ended.answer)
    work.conclude(ended)


def not_ours(config: Config, sources: Iterable[str], files: Iterable[str]) -> Iterator[str]:
    """Excludes that keep ``files`` of the data folder out of a backup, and what stands there of
    archives, mounted or restored by a drill, before borg as much as looks at them.

    Borg's patterns are matched with a path as it walks it, which is the source's own spelling and
    what lies below it: a link on the way to the source gives the same files another name.
    """
    folder = os.path.realpath(config.data_dir)
    for source in sources:
        followed = os.path.realpath(source)
        for name in files:
            if is_inside(path := posixpath.join(folder, name), [followed]):
                yield f"pf:{_below(source, followed, path)}"
        for name in (config.mounts.name, config.drills.name):
            path = posixpath.join(folder, name)
            if is_inside(path, [followed]):
                yield f"pp:{_below(source, followed, path)}"
            elif is_inside(followed, [path]):
                yield f"pp:{os.path.normpath(source)}"


def _below(source: str, followed: str, path: str) -> str:
    return os.path.normpath(posixpath.join(source, posixpath.relpath(path, followed)))
