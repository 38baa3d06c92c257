"""Restores from an archive: what happens around ``borg extract``.

Borg would write through the links that an archive brings: what lies below them is left out
(:mod:`borgui.runner.overlapping`). Without overwriting, borg extracts to a staging folder on each
file system that something comes to lie on (:mod:`borgui.runner.surveying`), and each entry is then
moved in where nothing is (:mod:`borgui.runner.placing`): a job that fails or is cancelled before
that has changed nothing.
With overwriting borg works in the destination itself.
"""

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

from borgui.borg import extracted
from borgui.borg.display import counted, printable_path, size_text
from borgui.borg.progress import Progress
from borgui.runner import target
from borgui.runner.failure import FailedError
from borgui.runner.outcome import MOST_NAMED
from borgui.runner.placing import Placed, Placing
from borgui.runner.restore_extraction import Extraction
from borgui.runner.restore_plan import Plan
from borgui.runner.restore_scope import Scope
from borgui.runner.spec import Step, pack
from borgui.runner.staging import Staging
from borgui.runner.steps import Ended
from borgui.runner.surveying import Group
from borgui.runner.work import Work

NOTHING_PLACED = "Nothing was put in place."


def extract(work: Work, step: Step) -> None:
    """The act of the step ``extract``. Raises FailedError."""
    plan = Plan.of(step, work)
    plan.check(work)
    scope = Scope.of(work, step, plan)
    plan.refuse(scope.survey.shortage())
    staging = Staging(work.config.run, work.job, work.attempt)
    way = _Overwriting if plan.overwrite else _Placing
    try:
        way(work, plan, scope, staging).run()
    except OSError as error:
        _fail(error)
    finally:
        staging.remove()


class _Placing(Extraction):
    """Without overwriting."""

    def run(self) -> None:
        self._put({"nfiles": 0, "restored_size": 0})
        groups = self.scope.survey.groups
        if not groups:
            self.judge_nothing()
        self.staging.make_destination(self.plan.destination)
        folders = [self._make_folder(group) for group in groups]
        total, done = sum(group.needed for group in groups), 0
        for group, folder in zip(groups, folders, strict=True):
            ended = self.extract(
                folder,
                self.scope.survey.excludes(group),
                check_space=None if group.is_certain else partial(self.plan.check_space, folder),
                share=None if len(groups) == 1 else (done, total),
            )
            if self.reader.halt is not None:
                halt = self.reader.halt
                raise FailedError(halt.code, f"{halt.message} {NOTHING_PLACED}")
            self.work.conclude(ended, NOTHING_PLACED)
            done += group.needed
        self.disarm(folders)
        self.judge_selection()
        self.name_matches(folders)
        self._place(ended, folders)
        self.judge_losses()

    def _make_folder(self, group: Group) -> str:
        folder = group.staging
        target.check(folder)
        return self.staging.make(target.sheltered(folder))

    def _place(self, ended: Ended, folders: Sequence[str]) -> None:
        placing = Placing(
            os.fsencode(self.plan.destination),
            elsewhere=self._elsewhere,
            tick=lambda: self._tick(ended, placing.placed),
            lost=self._lost,
            protected=target.identities(self.plan.protected),
            opened=self.plan.check_roots,
        )
        try:
            for folder in folders:
                source = self.staging.open(folder)
                try:
                    placing.place(source)
                finally:
                    os.close(source)
        except OSError as error:
            _fail(error, self._said(placing.placed))
        except RecursionError as error:
            raise FailedError(
                "too_deep",
                "Its folders lie too deep within one another to be put in place. Restore what lies"
                f" deep by itself, with leading parts taken off. {self._said(placing.placed)}",
            ) from error
        finally:
            placed = placing.placed
            self._put(_figures(placed))
            self._publish(replace(ended.progress, nfiles=placed.nfiles, restored_size=placed.size))
        if placed.left_count:
            self.work.log.line(f"Left alone because it was there already: {placed.left_count}")
        for path in placed.left:
            self.work.log.line(f"Left alone: {printable_path(path)}")

    def _elsewhere(self, parent: bytes) -> int:
        return self.staging.open(self.staging.make(target.sheltered(os.fsdecode(parent))))

    def _tick(self, ended: Ended, placed: Placed) -> None:
        if self.reader.is_due():
            now = replace(ended.progress, progress_message="Putting the files in place")
            self._publish(now)
            self.staging.tell(**_figures(placed, named=0))
        self.work.check_stop(self._said(placed))

    def _said(self, placed: Placed) -> str:
        if not placed.entries:
            return NOTHING_PLACED
        return f"{counted(placed.nfiles, 'file')} ({size_text(placed.size)}) had been put in place."

    def _publish(self, progress: Progress) -> None:
        self.work.progress(replace(progress, current_file=None, eta_seconds=None))

    def _lost(self, name: bytes, error: OSError) -> None:
        self.work.warn(
            f"Not all of its metadata could be set: {error.strerror}.", os.fsdecode(name)
        )

    def _put(self, figures: dict[str, Any]) -> None:
        self.answer.update(figures)


class _Overwriting(Extraction):
    """With overwriting, in the destination itself."""

    def run(self) -> None:
        destination = self.plan.destination
        self.answer.update({"nfiles": 0, "restored_size": 0, "left_count": 0, "left_b64": []})
        if not self.scope.survey.groups:
            self.judge_nothing()
        self.staging.make_destination(destination)
        ended = self.extract(destination)
        self.disarm([destination])
        reader = self.reader
        self.answer.update({"nfiles": reader.nfiles, "restored_size": reader.size(ended.progress)})
        if reader.halt is not None or ended.verdict.status != "completed":
            partial = reader.halted_at or reader.last_path()
            self._name_partial(partial)
            said = f"{counted(reader.nfiles, 'file')} had been restored" + (
                "; the one being written may be incomplete." if partial else "."
            )
            if reader.halt is not None:
                raise FailedError(reader.halt.code, f"{reader.halt.message} {said}")
            self.work.conclude(ended, said)
        self.judge_selection()
        self.name_matches([destination])
        self.judge_losses()

    def _name_partial(self, path: str | None) -> None:
        if path is not None:
            self.answer["partial_file_b64"] = pack(path)
            self.work.warn("It may be written only in part.", path)


def _figures(placed: Placed, named: int = MOST_NAMED) -> dict[str, Any]:
    return {
        "nfiles": placed.nfiles,
        "restored_size": placed.size,
        "left_count": placed.left_count,
        "left_b64": [pack(path) for path in placed.left[:named]],
    }


def _fail(error: OSError, said: str = "") -> NoReturn:
    code, sentence = extracted.fatal(error.errno or 0) or (
        "destination_failed",
        f"The destination cannot be written: {error.strerror}.",
    )
    if error.errno in {errno.EACCES, errno.EPERM}:
        code = "destination_not_writable"
    raise FailedError(code, f"{sentence} {said}".strip()) from error
