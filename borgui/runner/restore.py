"""Restores from an archive: what happens around ``borg extract``, and what a dry run foretells.

Borg would write through the links that an archive brings: what lies below them is left out
(:mod:`borgui.runner.overlapping`). Without overwriting, borg extracts to a staging folder on each
file system that something comes to lie on (:mod:`borgui.runner.surveying`), and each entry is then
moved in where nothing is (:mod:`borgui.runner.placing`): a job that fails or is cancelled before
that has changed nothing.
With overwriting borg works in the destination itself.
"""

import errno
import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn

from borgui.borg import commands, extracted
from borgui.borg.display import counted, printable_path, size_text
from borgui.borg.extracted import Loss
from borgui.borg.progress import Progress
from borgui.borg.selection import (
    Selected,
    is_never_matched,
    keep_out,
    never_matched,
    places,
    stripped,
)
from borgui.roots import EVERYTHING, is_inside
from borgui.runner import filesystem, overlapping, surveying, target
from borgui.runner.extracting import Extracting, exact
from borgui.runner.failure import FailedError
from borgui.runner.overlapping import LeftOut, Links
from borgui.runner.placing import MOST_NAMED, Placed, Placing
from borgui.runner.previewing import Previewing
from borgui.runner.spec import Step, pack, unpack
from borgui.runner.staging import Staging
from borgui.runner.steps import Ended
from borgui.runner.surveying import Group, Survey
from borgui.runner.work import Work

NOTHING_PLACED = "Nothing was put in place."
NOTHING_RESTORED = "Nothing was restored."


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be restored: ``parameters`` of its step. Paths are str with surrogate escapes."""

    destination: str
    selected: tuple[Selected, ...]
    strip_components: int
    overwrite: bool
    expected_size: int | None
    protected: tuple[str, ...]
    """Folders nothing is ever written to: our own data, and the machine's repositories."""
    stored: tuple[str, ...]
    """What the archive's folders begin with, as far as it is known."""
    ignore_free_space: bool = False
    """Whether it is begun where what borg lists does not fit: files with holes take less."""
    archive: str = ""
    """Borg's id of the archive that is meant."""
    roots: tuple[str, ...] = EVERYTHING
    """All that is restored comes to lie in these."""

    @classmethod
    def of(cls, step: Step, work: Work) -> "Plan":
        """Read it; raises FailedError for a destination that is none."""
        given = step.parameters
        shown = given.get("shown") or ()
        selected = tuple(
            Selected(unpack(each), bool(shown[index]) if index < len(shown) else False)
            for index, each in enumerate(given.get("paths_b64") or ())
        )
        others = [unpack(each) for each in given.get("protected_b64") or ()]
        own = [os.fspath(work.config.data_dir), step.local_repository, *others]
        return cls(
            destination=target.normal(unpack(given["destination_b64"])),
            selected=selected,
            strip_components=int(given.get("strip_components") or 0),
            overwrite=bool(given.get("overwrite")),
            expected_size=given.get("expected_size"),
            protected=tuple(dict.fromkeys(each for path in own if path for each in _both(path))),
            stored=tuple(each.path for each in selected)
            or tuple(unpack(each).strip("/") for each in given.get("sources_b64") or ()),
            ignore_free_space=bool(given.get("ignore_free_space")),
            archive=str(given.get("archive_id") or ""),
            roots=tuple(map(unpack, given.get("roots_b64") or ())) or EVERYTHING,
        )

    def check(self, work: Work) -> None:
        """Raise FailedError where it is certain before borg has run that it cannot be done."""
        target.refuse_inside(self.destination, self.protected)
        for path in self.stored:
            # borg follows a link that stands where an entry's parents would: see where it leads
            parts = path.split("/")[self.strip_components : -1]
            parent = posixpath.join(self.destination, *parts)
            if not is_inside(parent, self.protected):  # else borg is kept out of it
                target.refuse_inside(parent, self.protected)
        self.check_roots(os.path.realpath(self.destination))
        if self.overwrite:
            places_there = self._places(self.destination)
            target.refuse_links_out(self.destination, places_there, self.roots, lambda: _look(work))
        self._check_alone()

    def _check_alone(self) -> None:
        """The destination without what is mounted below it: all of it may come to lie there."""
        anchor = target.deepest(self.destination, "")
        if anchor != self.destination:
            target.check(anchor)
        elif not posixpath.isdir(anchor) or not surveying.mounts_below(os.path.realpath(anchor)):
            target.check_usable(anchor)
        else:
            return
        if self.expected_size is not None and not self.selected and not self.overwrite:
            self.check_space(anchor, self.expected_size)

    def check_space(self, folder: str, size: int) -> None:
        """Raise FailedError where ``size`` bytes do not fit into ``folder``."""
        self.refuse(target.lack(folder, size))

    def refuse(self, lack: str | None) -> None:
        """Raise FailedError where space is lacking."""
        if lack is not None and not self.ignore_free_space:
            said = "Free some space, select less, or restore to another folder."
            raise FailedError("no_space", f"{lack} {said}")

    def check_roots(self, destination: str) -> None:
        """Raise FailedError where something would leave the roots. ``destination`` is free of
        links; below it only an overwriting borg follows any."""
        target.refuse_outside(self._places(destination), self.roots)

    def _places(self, destination: str) -> list[str]:
        return places(destination, self.selected, self.strip_components)

    def survey(self) -> Survey:
        """One that has seen nothing yet."""
        destination = os.path.realpath(self.destination)
        found = Survey(
            destination=destination,
            strip=self.strip_components,
            overwrite=self.overwrite,
            protected=self.protected,
            archive=self.archive,
            selected=frozenset(each.path for each in self.selected),
            may_chown=surveying.may_chown(),
        )
        above = "/" if self.overwrite else destination
        found.split_at([*surveying.mounts_below(above), *self._footholds(destination)])
        return found

    def _footholds(self, destination: str) -> list[str]:
        """What is stored and there, where nothing can be made beside it."""
        found = []
        for path in self.stored:
            place = posixpath.join(destination, stripped(path, self.strip_components))
            if place != destination and not filesystem.allows(posixpath.dirname(place), os.W_OK):
                is_real = os.path.realpath(place) == place and posixpath.isdir(place)
                found += [place] if is_real else []
        return found

    def excludes(self) -> list[str]:
        """Patterns that keep borg out of what is protected."""
        found = []
        for root in _both(self.destination):
            for folder in self.protected:
                if folder != root and folder.startswith(root.rstrip("/") + "/"):
                    inside = os.path.relpath(folder, root)
                    found.append(keep_out(inside, self.strip_components))
        return list(dict.fromkeys(found))


def extract(work: Work, step: Step) -> None:
    """The act of the step ``extract``. Raises FailedError."""
    plan = Plan.of(step, work)
    plan.check(work)
    step, survey, left_out = _look_into(work, step, plan)
    plan.refuse(survey.shortage())
    staging = Staging(work.config.run, work.job, work.attempt)
    restore = _Overwriting if plan.overwrite else _Placing
    try:
        restore(work, step, plan, staging, survey, left_out).run()
    except OSError as error:
        _fail(error)
    finally:
        staging.remove()


def _look(work: Work) -> None:
    """While the destination is looked at."""
    work.progress(Progress(progress_message="Looking at the destination"))
    work.check_stop(NOTHING_RESTORED)


def _look_into(work: Work, step: Step, plan: Plan) -> tuple[Step, Survey, LeftOut]:
    """What the archive holds, and the step kept out of what is protected, and of what borg would
    write through a link that the archive brings; of both people are warned. Raises FailedError."""
    survey, links = plan.survey(), Links(plan.strip_components)
    overlapping.look(work, step, links, survey.take, NOTHING_RESTORED)
    for group in survey.groups:
        target.check(group.anchor)
    step = _excluding(step, plan.excludes())
    left_out = overlapping.sort_out(work, step, links, NOTHING_RESTORED)
    overlapping.tell(work, left_out)
    for folder, count in survey.kept_out.items():
        work.warn(f"Nothing is restored into it: {_entries(count)} left out.", folder)
    if survey.foreign:
        work.warn(
            f"Of {survey.foreign:,} restored entries the owner or group cannot be set, since"
            " borgui runs without the right to (CAP_CHOWN): they belong to its own user."
        )
    return _excluding(step, left_out.patterns), survey, left_out


def _excluding(step: Step, patterns: Iterable[str]) -> Step:
    return replace(step, argv=tuple(commands.excluding(step.argv, list(patterns))))


class _Restore:
    """What both ways have in common."""

    def __init__(
        self,
        work: Work,
        step: Step,
        plan: Plan,
        staging: Staging,
        survey: Survey,
        left_out: LeftOut,
    ) -> None:
        self.work = work
        self.step = step
        self.plan = plan
        self.staging = staging
        self.survey = survey
        self.left_out = left_out
        self.answer = work.answer(step)
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
        step = replace(_excluding(self.step, excludes), cwd=folder)
        ended = self.work.run_program(step, reader)
        reader.finish()
        self.entries += reader.entries
        self.losses += reader.losses
        not_here = never_matched(self.missing, reader.unmatched)
        self.missing = _not_there(not_here, self.left_out, self.survey)
        self.work.note(_without_unmatched(ended))
        self.staging.check()
        return ended

    def disarm(self, folders: Sequence[str]) -> None:
        """Nothing that ran as another user or group is to run as ours."""
        for inside in self.survey.armed:
            for folder in folders:
                if filesystem.disarm(posixpath.join(folder, inside)):
                    message = "Its set-user-id and set-group-id bits were taken off."
                    self.work.warn(message, inside)

    def judge_nothing(self) -> None:
        """Raise FailedError, for the listing has shown that there is nothing to extract."""
        if self.survey.seen:
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
        _judge_kept_out(self.survey)
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
        if count := self.left_out.count:
            raise FailedError(
                "not_all_restored",
                f"{_entries(count)} left out, below links of the same archive; see the warnings."
                f" {said}",
            )

    def name_matches(self, folders: Sequence[str]) -> None:
        """Say which names the patterns of names that borg cannot show have found."""
        names: list[str] = []
        for each in self.plan.selected:
            path = stripped(each.path, self.plan.strip_components)
            if each.is_pattern and path and not self.left_out.holds(each.path):
                for folder in folders:
                    names += exact(folder, path)
        names = list(dict.fromkeys(names))[:MOST_NAMED]
        for name in names:
            self.work.log.line(f"Matched: {printable_path(name)}")
        self.answer["matched_b64"] = [pack(name) for name in names]


class _Placing(_Restore):
    """Without overwriting."""

    def run(self) -> None:
        self._put({"nfiles": 0, "restored_size": 0})
        groups = self.survey.groups
        if not groups:
            self.judge_nothing()
        self.staging.make_destination(self.plan.destination)
        folders = [self._make_folder(group) for group in groups]
        total, done = sum(group.needed for group in groups), 0
        for group, folder in zip(groups, folders, strict=True):
            ended = self.extract(
                folder,
                self.survey.excludes(group),
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


class _Overwriting(_Restore):
    """With overwriting, in the destination itself."""

    def run(self) -> None:
        destination = self.plan.destination
        self.answer.update({"nfiles": 0, "restored_size": 0, "left_count": 0, "left_b64": []})
        if not self.survey.groups:
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


def preview(work: Work, step: Step) -> None:
    """The act of the step ``preview``: what a restore would write and leave. Raises FailedError."""
    plan = Plan.of(step, work)
    plan.check(work)
    step, survey, left_out = _look_into(work, step, plan)
    reader = Previewing(plan.destination, plan.selected, plan.strip_components, plan.overwrite)
    ended = work.run_program(step, reader)
    work.note(ended)
    answer = work.answer(step)
    answer.update(reader.figures())
    missing = _not_there(reader.missing(), left_out, survey)
    answer["unmatched_b64"] = [pack(each.path) for each in missing[:MOST_NAMED]]
    work.conclude(ended)
    if not reader.entries:
        if plan.selected and len(missing) == len(plan.selected):
            raise FailedError("nothing_matched", "None of the selected paths is in this archive.")
        if left_out.count:
            raise FailedError(
                "not_all_restored",
                "Nothing would be restored: all of it lies below links of the same archive, which"
                " are not restored with it.",
            )
        _judge_kept_out(survey)
        raise FailedError(
            "strip_too_many" if reader.seen else "nothing_to_restore",
            "Nothing would be restored: "
            + (
                "too many leading parts are taken off."
                if reader.seen
                else "there is nothing in it."
            ),
        )
    for each in missing:
        work.warn("It is not in the archive.", each.path)
    if lack := survey.shortage():
        work.warn(lack)
    work.progress(
        replace(ended.progress, nfiles=reader.nfiles, restored_size=reader.size, current_file=None)
    )


def _figures(placed: Placed, named: int = MOST_NAMED) -> dict[str, Any]:
    return {
        "nfiles": placed.nfiles,
        "restored_size": placed.size,
        "left_count": placed.left_count,
        "left_b64": [pack(path) for path in placed.left[:named]],
    }


def _without_unmatched(ended: Ended) -> Ended:
    """A run without borg's words on what never matched: we say which paths those were."""
    verdict = ended.verdict
    kept = tuple(each for each in verdict.warnings if not is_never_matched(each.message))
    count = verdict.warning_count - (len(verdict.warnings) - len(kept))
    return replace(ended, verdict=replace(verdict, warnings=kept, warning_count=count))


def _not_there(missing: list[Selected], left_out: LeftOut, survey: Survey) -> list[Selected]:
    """Without those that are in the archive, but were left out."""
    return [
        each
        for each in missing
        if not left_out.holds(each.path) and not survey.holds_back(each.path)
    ]


def _judge_kept_out(survey: Survey) -> None:
    """Raise FailedError where all of it belongs where nothing is restored."""
    if survey.kept_out:
        raise FailedError(
            "nothing_to_restore",
            "All of it belongs in borgui's own data folder or in a repository, where nothing is"
            " restored. Restore it to another folder.",
        )


def _fail(error: OSError, said: str = "") -> NoReturn:
    code, sentence = extracted.fatal(error.errno or 0) or (
        "destination_failed",
        f"The destination cannot be written: {error.strerror}.",
    )
    if error.errno in {errno.EACCES, errno.EPERM}:
        code = "destination_not_writable"
    raise FailedError(code, f"{sentence} {said}".strip()) from error


def _both(path: str) -> Iterable[str]:
    """A path as it is written and as it is without links."""
    return dict.fromkeys((os.path.normpath(path), os.path.realpath(path)))


def _entries(count: int) -> str:
    return f"{count:,} entry was" if count == 1 else f"{count:,} entries were"
