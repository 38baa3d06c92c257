"""Compares the contents of two archives: what ``borg diff`` prints goes to a file, as it comes."""

import errno
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from borgui.borg.differences import Change, Difference, DifferenceError, parse
from borgui.borg.events import Event, LogMessage
from borgui.borg.progress import Progress
from borgui.borg.selection import is_never_matched
from borgui.borg.version import Version, parse_version
from borgui.diff_file import DiffWriter
from borgui.runner import program
from borgui.runner.failure import FailedError
from borgui.runner.packing import LOOK, room
from borgui.runner.spec import Step, unpack
from borgui.runner.steps import Reader
from borgui.runner.streams import Lines
from borgui.runner.work import Work


def diff(work: Work, step: Step) -> None:
    """The act of the step ``diff``. Raises FailedError.

    Its parameters: ``contents``, the command line that tells contents alone; ``paths``, how many
    were selected.
    """
    folder = work.config.diffs
    try:
        version = parse_version(f"borg {program.find(work.config).version}")
        with DiffWriter(folder / f"{work.job}.part", is_exact=version.diff_is_exact) as writer:
            reader = Differences(writer.add, folder)
            _run(work, step, reader)
            _check_found(reader, int(step.parameters.get("paths") or 0))
            writer.sort()
            if writer.doubtful:
                _settle_doubts(work, step, writer, version)
            sums = writer.finish(folder / f"{work.job}.db")
    except (sqlite3.Error, OSError) as error:
        raise _failed(error) from error
    work.answer(step).update(
        {
            "total": sums.total,
            "counts": {str(change): count for change, count in sums.entries.items()},
            "added_size": sums.added,
            "removed_size": sums.removed,
            "times_only": writer.times_only,
        }
    )
    work.log.line(f"{sums.total} entries differ, {writer.times_only} more in their times only.")


def _run(work: Work, step: Step, reader: "Differences") -> None:
    ended = work.run_program(step, reader)
    reader.finish()
    work.note(ended)
    if reader.halt is not None:
        raise reader.halt
    work.conclude(ended)


def _check_found(reader: "Differences", selected: int) -> None:
    if selected and reader.unmatched >= selected:
        raise FailedError("nothing_matched", "Neither archive holds any of the selected paths.")


def _settle_doubts(work: Work, step: Step, writer: DiffWriter, version: Version) -> None:
    """Borg may call a content modified because something else is. Asked for the contents alone, it
    does not."""
    if not version.compares_contents_alone:
        work.warn(
            f"borg {version} cannot tell whether the contents of {writer.doubtful:,} entries "
            "differ: they are shown as modified. Borg 1.2.4 and later can."
        )
        return
    work.log.line(f"{writer.doubtful} contents are looked at once more: they may be the same.")
    argv = tuple(unpack(word) for word in step.parameters["contents"])

    def confirm(difference: Difference) -> None:
        if difference.changes & {Change.CONTENT, Change.OTHER}:
            writer.confirm([difference.path])

    _run(work, replace(step, argv=argv), Differences(confirm, work.config.diffs))
    writer.dismiss_doubtful()


class Differences(Reader):
    """Hands on what ``borg diff`` prints, and counts."""

    def __init__(self, take: Callable[[Difference], None], folder: Path) -> None:
        self.unmatched = 0
        """Selected paths that borg found in neither archive."""
        self._take = take
        self._folder = folder
        self._lines = Lines()
        self._unseen = LOOK
        self._count = 0

    def output(self, data: bytes) -> bool:
        """Take a piece of stdout; looks at the free space now and then."""
        self._unseen += len(data)
        if self._unseen >= LOOK:
            self._unseen = 0
            if room(self._folder) <= 0:
                self.halt = _failed(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self._read(self._lines.feed(data))
        return True

    def finish(self) -> None:
        """Nothing more comes."""
        self._read(self._lines.last())

    def event(self, event: Event) -> bool:
        """Look for paths that are in neither archive."""
        self.unmatched += isinstance(event, LogMessage) and is_never_matched(event.message)
        return False

    def shown(self, progress: Progress) -> Progress:
        """Borg tells nothing of how far it is."""
        if not self._count:
            return replace(progress, progress_message="Borg compares the archives")
        message = f"{self._count:,} differences read"
        return replace(progress, progress_message=message)

    def _read(self, lines: list[bytes]) -> None:
        for line in lines:
            if self.halt is not None or not line.strip():
                continue
            try:
                self._take(parse(line))
            except (DifferenceError, sqlite3.Error, OSError) as error:
                self.halt = _failed(error)
            self._count += 1


def _failed(error: Exception) -> FailedError:
    if isinstance(error, DifferenceError):
        return FailedError("output_unreadable", f"What borg printed cannot be read: {error}.")
    reason = getattr(error, "strerror", None) or error
    return FailedError("diff_unwritable", f"The comparison could not be written: {reason}.")
