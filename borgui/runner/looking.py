"""Sees which repository lies at a path, before borg takes the path into its memory.

Borg remembers where a repository was last. Opened by a second path, one that is here already would
be said to have moved at its next backup.
"""

import os
from dataclasses import replace

from borgui.borg import environment
from borgui.runner.failure import FailedError
from borgui.runner.spec import Step
from borgui.runner.staging import Staging
from borgui.runner.steps import Reader
from borgui.runner.work import Work


def look(work: Work, step: Step) -> None:
    """The act of the step ``look``: ``borg list`` with a memory of its own, dropped afterwards.

    Its parameter ``known`` maps borg's ids of other repositories to sentences. Raises FailedError
    with that of the one it finds. Whatever borg's own memory forbids, the next run is refused.
    """
    scratch = Staging(work.config.run, work.job, work.attempt)
    try:
        folder = scratch.make(os.fspath(work.config.borg_home))
        apart = {**step.env, **environment.ACCEPT_UNENCRYPTED, **environment.forgetful(folder)}
        ended = work.run_program(replace(step, env=apart), Reader())
    except OSError as error:
        message = f"borgui's data folder cannot be used: {error.strerror}."
        raise FailedError("data_folder", message) from error
    finally:
        scratch.remove()
    work.note(ended)
    work.conclude(ended)
    seen = ((ended.answer or {}).get("repository") or {}).get("id")
    if (sentence := step.parameters["known"].get(seen)) is not None:
        raise FailedError("repository_known", sentence)
