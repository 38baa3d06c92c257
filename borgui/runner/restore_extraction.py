"""Runs of ``borg extract`` for a restore, and how they are judged."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from borgui.borg.display import counted, printable_path
from borgui.borg.extracted import Loss
from borgui.borg.selection import is_never_matched, never_matched, stripped
from borgui.runner import filesystem
from borgui.runner.extracting import Extracting, exact
from borgui.runner.failure import FailedError
from borgui.runner.outcome import MOST_NAMED
from borgui.runner.restore_plan import Plan
from borgui.runner.restore_scope import Scope, entries_were, excluding
from borgui.runner.spec import pack
from borgui.runner.staging import Staging
from borgui.runner.steps import Ended
from borgui.runner.work import Work


class Extraction:
    """What a restore does with overwriting and without."""

    def __init__(
        self,
        work: Work,
        plan: Plan,
        scope: Scope,
        staging: Staging,
    ) -> None:
        self.work = work
        self.plan = plan
        self.scope = scope
        self.staging = staging
        self.answer = work.answer(scope.step)
        self.reader: Extracting
        self.entries = 0
        self.losses: Counter[Loss] = Counter()
        self.missing = list(plan.selected)
        """Selected paths that no run has found."""

    def extract(self, folder: str, excludes: Iterable[str] = (), **more: Any) -> Ended:
        """Run borg in ``folder``; its warnings are kept for the outcome, put in our words.

        ``more``: of :class:`Extracting`.
        """
        plan = self.plan
        self.reader = reader = Extracting(
            folder,
            plan.destination,
            strip_components=plan.strip_components,
            discard=not plan.overwrite,
            tell=self.staging.tell if plan.overwrite else None,
            **more,
        )
        step = replace(excluding(self.scope.step, excludes), cwd=folder)
        ended = self.work.run_program(step, reader)
        reader.finish()
        self.entries += reader.entries
        self.losses += reader.losses
        self.missing = self.scope.missing(never_matched(self.missing, reader.unmatched))
        self.work.note(_without_unmatched(ended))
        self.staging.check()
        return ended

    def disarm(self, folders: Sequence[str]) -> None:
        """Nothing that ran as another user or group is to run as ours."""
        for inside in self.scope.survey.armed:
            for folder in folders:
                if filesystem.disarm(posixpath.join(folder, inside)):
                    message = "Its set-user-id and set-group-id bits were taken off."
                    self.work.warn(message, inside)

    def judge_nothing(self) -> None:
        """Raise FailedError, for the listing has shown that there is nothing to extract."""
        if self.scope.survey.seen:
            self.missing = []
        self.judge_selection()

    def judge_selection(self) -> None:
        """Raise FailedError when borg found nothing to extract."""
        self.answer["unmatched_b64"] = [pack(each.path) for each in self.missing[:MOST_NAMED]]
        if self.entries:
            return
        if self.plan.selected and len(self.missing) == len(self.plan.selected):
            raise FailedError("nothing_matched", "None of the selected paths is in this archive.")
        self.judge_left_out("Nothing else was found to restore.")
        self.scope.judge_kept_out()
        if self.plan.strip_components:
            raise FailedError(
                "strip_too_many",
                f"Nothing was restored: with {self.plan.strip_components} leading parts of each "
                "path taken off, no name is left of any of them. Take off fewer.",
            )
        raise FailedError("nothing_to_restore", "There was nothing to restore in this archive.")

    def judge_losses(self) -> None:
        """Raise FailedError when not all that was selected is there; name what was not found."""
        for each in self.missing:
            self.work.warn("It is not in the archive.", each.path)
        if lost := self.losses[Loss.FILE]:
            raise FailedError(
                "not_all_restored",
                f"{counted(lost, 'file')} could not be restored; see the warnings."
                " All others were.",
            )
        self.judge_left_out("All others were restored.")
        if damaged := self.losses[Loss.CONTENT]:
            raise FailedError(
                "content_damaged",
                f"{counted(damaged, 'file')} came back damaged: the repository has lost a part of"
                " the contents. Check the repository; all others are whole.",
            )

    def judge_left_out(self, said: str) -> None:
        """Raise FailedError where something was left out."""
        if count := self.scope.left_out.count:
            raise FailedError(
                "not_all_restored",
                f"{entries_were(count)} left out, below links of the same archive; see the"
                f" warnings. {said}",
            )

    def name_matches(self, folders: Sequence[str]) -> None:
        """Say which names the patterns of names that borg cannot show have found."""
        names: list[str] = []
        for each in self.plan.selected:
            path = stripped(each.path, self.plan.strip_components)
            if each.is_pattern and path and not self.scope.left_out.holds(each.path):
                for folder in folders:
                    names += exact(folder, path)
        names = list(dict.fromkeys(names))[:MOST_NAMED]
        for name in names:
            self.work.log.line(f"Matched: {printable_path(name)}")
        self.answer["matched_b64"] = [pack(name) for name in names]


def _without_unmatched(ended: Ended) -> Ended:
    """A run without borg's words on what never matched: we say which paths those were."""
    verdict = ended.verdict
    kept = tuple(each for each in verdict.warnings if not is_never_matched(each.message))
    count = verdict.warning_count - (len(verdict.warnings) - len(kept))
    return replace(ended, verdict=replace(verdict, warnings=kept, warning_count=count))
