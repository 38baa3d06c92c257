"""New repositories: ``borg init``, also where an earlier try may have come as far as that."""

from borgui.borg.causes import REPOSITORY_EXISTS
from borgui.runner.spec import Step
from borgui.runner.steps import Reader
from borgui.runner.work import Work


def init(work: Work, step: Step) -> None:
    """The act of the step ``init``. Where ``parameters`` has ``may_exist``, a repository that
    exists is no failure: the step that follows finds out whether it is ours."""
    ended = work.run_program(step, Reader())
    work.note(ended)
    if ended.verdict.error_code == REPOSITORY_EXISTS.code and step.parameters.get("may_exist"):
        work.log.line("An earlier try may have made it. It is opened, to see whether it is ours.")
        return
    work.conclude(ended)
