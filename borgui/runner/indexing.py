"""Makes the index of an archive from ``borg list``, as it comes, in bounded memory."""

import sqlite3
from dataclasses import replace
from pathlib import Path

from borgui import index as contents
from borgui.borg.figures import MOST_PERCENT
from borgui.borg.progress import Progress
from borgui.index import ArchiveIndex, IndexMissing, IndexWriter, ListingError
from borgui.runner.failure import FailedError
from borgui.runner.listed import unreadable
from borgui.runner.spec import Step
from borgui.runner.steps import Reader
from borgui.runner.work import Work


def index(work: Work, step: Step) -> None:
    """The act of the step ``index``. Raises FailedError.

    Its parameters: ``repository_id``, whose file it is; ``borg_id`` of the archive; ``nfiles`` in
    it or None; ``known``, borg's ids of all archives there are: others are dropped.
    """
    given = step.parameters
    path = work.config.indexes / f"{int(given['repository_id'])}.db"
    borg_id = str(given["borg_id"])
    try:
        if _has(path, borg_id):
            work.log.line("The index of this archive is there already.")
        else:
            _make(work, step, path, borg_id)
        gone = contents.keep_only(path, {*given["known"], borg_id})
    except (sqlite3.Error, OSError) as error:
        raise _failed(error) from error
    if gone:
        work.log.line(f"Dropped from it, since they are no longer there: {gone} archives.")


def _make(work: Work, step: Step, path: Path, borg_id: str) -> None:
    with IndexWriter(path, borg_id, marked=borg_id) as writer:
        reader = Indexing(writer, step.parameters.get("nfiles"))
        ended = work.run_program(step, reader)
        work.note(ended)
        if reader.halt is not None:
            raise reader.halt
        work.conclude(ended)
        try:
            writer.finish()
        except ListingError as error:
            raise _failed(error) from error
    work.answer(step)["entries"] = writer.entries
    work.log.line(f"{writer.entries} entries are in the index now.")


def _has(path: Path, borg_id: str) -> bool:
    try:
        with ArchiveIndex(path) as there:
            return there.has(borg_id)
    except IndexMissing:
        return False
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        contents.discard(path)  # damaged; it can be made again
        return False


class Indexing(Reader):
    """Feeds what ``borg list`` prints to the writer, and counts."""

    pause = 0.005
    """Borg writes line by line; without a pause each line wakes the reader, and both spend a fifth
    of their time on that (measured). A pipe holds 64 KiB, so borg does not wait for us."""

    def __init__(self, writer: IndexWriter, nfiles: int | None) -> None:
        self._writer = writer
        self._nfiles = nfiles
        self._entries = 0
        self._folders = 0

    def output(self, data: bytes) -> bool:
        """Take a piece of stdout."""
        if self.halt is None:
            try:
                self._writer.feed(data)
            except (ListingError, sqlite3.Error, OSError) as error:
                self.halt = _failed(error)
        self._entries += data.count(b"\n")
        self._folders += data.count(b"\nd")
        return True

    def shown(self, progress: Progress) -> Progress:
        """Percent where borg has told how many files there are."""
        percent = None
        if self._nfiles:
            files = max(self._entries - self._folders, 0)
            percent = min(round(100 * files / self._nfiles, 1), MOST_PERCENT)
        message = f"{self._entries:,} entries read" if self._entries else None
        return replace(progress, progress_percent=percent, progress_message=message)


def _failed(error: Exception) -> FailedError:
    if isinstance(error, ListingError):
        return unreadable(error)
    reason = getattr(error, "strerror", None) or error
    return FailedError("index_unwritable", f"The index could not be written: {reason}.")
