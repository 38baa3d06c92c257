"""Backups: what is looked at on the machine before ``borg create`` runs."""

import os

from borgui.borg.display import printable_path
from borgui.roots import EVERYTHING, is_inside, named, real
from borgui.runner.failure import FailedError
from borgui.runner.spec import Step, unpack
from borgui.runner.steps import Reader
from borgui.runner.work import Work


def create(work: Work, step: Step) -> None:
    """The act of the step ``create``. Raises FailedError, before borg runs where a source leads
    out of the roots: ``parameters`` has ``sources_b64`` and ``roots_b64``."""
    given = step.parameters
    roots = tuple(map(unpack, given.get("roots_b64") or ())) or EVERYTHING
    allowed = real(roots)
    for source in map(unpack, given.get("sources_b64") or ()):
        followed = os.path.realpath(source)
        if not is_inside(followed, allowed):
            raise FailedError(
                "source_outside_roots",
                f"The source folder {printable_path(source)} is {printable_path(followed)}, which "
                f"lies outside of {named(roots)}. Nothing was backed up.",
            )
    ended = work.run_program(step, Reader())
    work.note(ended)
    if ended.answer is not None:
        work.answer(step).update(ended.answer)
    work.conclude(ended)
