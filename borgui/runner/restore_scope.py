"""What of an archive is restored: all that was selected, without what is protected, and without
what borg would write through a link that the archive brings."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from borgui.borg import commands
from borgui.borg.selection import Selected
from borgui.runner import overlapping, target
from borgui.runner.failure import FailedError
from borgui.runner.overlapping import LeftOut, Links
from borgui.runner.restore_plan import NOTHING_RESTORED, Plan
from borgui.runner.spec import Step
from borgui.runner.surveying import Survey
from borgui.runner.work import Work


@dataclass(frozen=True, slots=True)
class Scope:
    """``step`` is kept out of what is not restored; the others say what that is."""

    step: Step
    survey: Survey
    left_out: LeftOut

    @classmethod
    def of(cls, work: Work, step: Step, plan: Plan) -> "Scope":
        """Have borg list what ``step`` selects; people are warned of what is not restored of it.
        Raises FailedError."""
        survey, links = plan.survey(), Links(plan.strip_components)
        overlapping.look(work, step, links, survey.take, NOTHING_RESTORED)
        for group in survey.groups:
            target.check(group.anchor)
        step = excluding(step, plan.excludes())
        left_out = overlapping.sort_out(work, step, links, NOTHING_RESTORED)
        overlapping.tell(work, left_out)
        for folder, count in survey.kept_out.items():
            work.warn(f"Nothing is restored into it: {entries_were(count)} left out.", folder)
        if survey.foreign:
            work.warn(
                f"Of {survey.foreign:,} restored entries the owner or group cannot be set, since"
                " borgui runs without the right to (CAP_CHOWN): they belong to its own user."
            )
        return cls(excluding(step, left_out.patterns), survey, left_out)

    def missing(self, unmatched: list[Selected]) -> list[Selected]:
        """Of the selected paths that borg has not matched, those that are not in the archive: the
        others are, but were left out."""
        return [
            each
            for each in unmatched
            if not self.left_out.holds(each.path) and not self.survey.holds_back(each.path)
        ]

    def judge_kept_out(self) -> None:
        """Raise FailedError where all of it belongs where nothing is restored."""
        if self.survey.kept_out:
            raise FailedError(
                "nothing_to_restore",
                "All of it belongs in borgui's own data folder or in a repository, where nothing is"
                " restored. Restore it to another folder.",
            )


def excluding(step: Step, patterns: Iterable[str]) -> Step:
    """``step`` without what ``patterns`` match."""
    return replace(step, argv=tuple(commands.excluding(step.argv, list(patterns))))


def entries_were(count: int) -> str:
    """``1 entry was``, ``8,123 entries were``."""
    return f"{count:,} entry was" if count == 1 else f"{count:,} entries were"
