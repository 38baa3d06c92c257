"""Makes sure that names still mean what they did when a person saw them, before anything goes.

Borg takes archives by name. A name that another client has used again since, or a repository
on another disk at the same path, is not what was meant.
"""

from borgui.borg.causes import ARCHIVE_MISSING
from borgui.runner.failure import FailedError
from borgui.runner.spec import Step
from borgui.runner.steps import Reader
from borgui.runner.work import Work


def verify(work: Work, step: Step) -> None:
    """The act of the step ``verify``: ``borg list``, held against what is expected.

    ``parameters``: ``repository`` is borg's id of it, ``archives`` maps names to ids (may be
    empty). Raises FailedError when one of them is another or gone; nothing was changed then.
    """
    ended = work.run_program(step, Reader())
    work.note(ended)
    work.conclude(ended)
    answer = ended.answer or {}
    if (answer.get("repository") or {}).get("id") != step.parameters["repository"]:
        raise FailedError(
            "repository_changed",
            "At this path lies another repository than the one that was added."
            " Nothing was changed.",
        )
    there = {each.get("name"): each.get("id") for each in answer.get("archives") or ()}
    for name, archive_id in step.parameters["archives"].items():
        if there.get(name) != archive_id:
            what = "is another one now" if name in there else "is no longer there"
            raise FailedError(
                "archive_changed" if name in there else ARCHIVE_MISSING.code,
                f"The archive {name} {what}: somebody else has changed it. Nothing was changed;"
                " refresh the list of archives.",
            )
