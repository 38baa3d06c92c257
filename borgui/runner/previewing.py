"""A restore's dry run, by what borg lists: what would be written, and left."""

import os
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from borgui.borg.display import as_borg_prints, printable_path
from borgui.borg.progress import Progress
from borgui.borg.selection import Selected, stripped
from borgui.runner.extracting import exact
from borgui.runner.failure import FailedError
from borgui.runner.listed import ListedJson
from borgui.runner.outcome import MOST_NAMED
from borgui.runner.restore_plan import Plan
from borgui.runner.restore_scope import Scope
from borgui.runner.spec import Step, pack
from borgui.runner.work import Work

MOST_FOLDERS = 10_000
"""So many folders of the destination are remembered at a time."""
MOST_SIZES = 100_000
"""So many files that are left alone have their size remembered, for their further names."""


def preview(work: Work, step: Step) -> None:
    """The act of the step ``preview``: what a restore would write and leave. Raises FailedError."""
    plan = Plan.of(step, work)
    plan.check(work)
    scope = Scope.of(work, step, plan)
    reader = Previewing(plan.destination, plan.selected, plan.strip_components, plan.overwrite)
    ended = work.run_program(scope.step, reader)
    work.note(ended)
    answer = work.answer(step)
    answer.update(reader.figures())
    missing = scope.missing(reader.missing())
    answer["unmatched_b64"] = [pack(each.path) for each in missing[:MOST_NAMED]]
    work.conclude(ended)
    if not reader.entries:
        if plan.selected and len(missing) == len(plan.selected):
            raise FailedError("nothing_matched", "None of the selected paths is in this archive.")
        if scope.left_out.count:
            raise FailedError(
                "not_all_restored",
                "Nothing would be restored: all of it lies below links of the same archive, which"
                " are not restored with it.",
            )
        scope.judge_kept_out()
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
    if lack := scope.survey.shortage():
        work.warn(lack)
    work.progress(
        replace(ended.progress, nfiles=reader.nfiles, restored_size=reader.size, current_file=None)
    )


class Previewing(ListedJson):
    """Counts what would be written below ``destination``. Paths as borg shows them."""

    def __init__(
        self,
        destination: str,
        selected: Sequence[Selected],
        strip_components: int,
        overwrite: bool,
    ) -> None:
        super().__init__(selected)
        self.seen = self.entries = self.nfiles = self.size = self.left_count = 0
        self._left: list[str] = []
        self._destination = destination
        self._strip = strip_components
        self._overwrite = overwrite
        self._selected = frozenset(self._pending)
        self._left_sizes: dict[str, int] = {}
        self._linked: set[str] = set()
        self._is_merged: dict[str, bool] = {}
        self._current: str | None = None

    def shown(self, progress: Progress) -> Progress:
        """With what was counted so far."""
        return replace(
            super().shown(progress),
            nfiles=self.nfiles,
            restored_size=self.size,
            current_file=self._current and printable_path(self._current),
        )

    def figures(self) -> dict[str, Any]:
        """For the outcome."""
        return {
            "nfiles": self.nfiles,
            "restored_size": self.size,
            "left_count": self.left_count,
            "left_b64": [pack(path) for path in self._left],
        }

    def take(self, entry: dict[str, Any], path: str) -> None:
        """Take one entry."""
        self.seen += 1
        inside = stripped(path, self._strip)
        if not inside:
            return
        self.entries += 1
        self._current = posixpath.join(self._destination, inside)
        is_folder = entry.get("type") == "d"
        if not self._overwrite and not self._is_free(inside, is_folder=is_folder):
            if not is_folder:
                self._leave(inside)
                if len(self._left_sizes) < MOST_SIZES:
                    self._left_sizes[path] = _size(entry)
            return
        if entry.get("type") != "-":
            return
        if not str(entry.get("mode", "")).startswith("h"):
            self.nfiles += 1
            self.size += _size(entry)
        elif self._is_first(first := as_borg_prints(str(entry.get("source") or ""))):
            self.nfiles += 1
            self.size += self._left_sizes.get(first, 0)

    def _is_first(self, first: str) -> bool:
        """Whether a further name of the hard link ``first`` is the first one that is written."""
        if first in self._linked:
            return False
        inside = stripped(first, self._strip)
        is_written = (
            inside
            and self._is_selected(first)
            and (self._overwrite or self._is_free(inside, is_folder=False))
        )
        if is_written:
            return False
        self._linked.add(first)
        return True

    def _is_selected(self, path: str) -> bool:
        if not self._selected:
            return True
        while path and path not in self._selected:
            path = path.rpartition("/")[0]
        return bool(path)

    def _leave(self, inside: str) -> None:
        self.left_count += 1
        if len(self._left) < MOST_NAMED:
            names = exact(self._destination, inside)
            self._left.append(posixpath.join(self._destination, names[0] if names else inside))

    def _is_free(self, inside: str, *, is_folder: bool) -> bool:
        """Whether the entry would be made, or is a folder that what is in it can go to."""
        folder = inside.rpartition("/")[0]
        if folder and not self._can_enter(folder):
            return False
        found = _find(self._destination, inside)
        return found is None or (is_folder and stat.S_ISDIR(found))

    def _can_enter(self, folder: str) -> bool:
        known = self._is_merged.get(folder)
        if known is None:
            above = folder.rpartition("/")[0]
            known = not above or self._can_enter(above)
            if known:
                mode = _find(self._destination, folder)
                known = mode is None or stat.S_ISDIR(mode)
            if len(self._is_merged) >= MOST_FOLDERS:
                self._is_merged.clear()
            self._is_merged[folder] = known
        return known


def _size(entry: dict[str, Any]) -> int:
    size = entry.get("size")
    return size if isinstance(size, int) else 0


def _find(root: str, shown: str) -> int | None:
    """The mode of what is there; None for nothing."""
    for name in exact(root, shown) if "?" in shown else (shown,):
        try:
            return os.lstat(posixpath.join(root, name)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
    return None
