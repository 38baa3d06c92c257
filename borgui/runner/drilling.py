"""A restore drill: files of an archive are restored to a scratch folder, compared, and removed.

What was backed up is the measure. Where it is still there, of the same size and time, a restored
file is compared with it byte for byte; every other one with borg's own checksum. Where all is
restored, what the archive holds below one of its own links is left out: borg would write it through
the link.
"""

import errno
import os
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from borgui.borg import commands, extracted
from borgui.borg.display import printable_path, size_text
from borgui.borg.events import Event, LogMessage
from borgui.borg.extracted import Loss
from borgui.borg.figures import MOST_PERCENT
from borgui.borg.progress import Progress
from borgui.runner.choosing import NOTHING, Choosing
from borgui.runner.comparing import Source, compare
from borgui.runner.extracting import exact
from borgui.runner.failure import FailedError
from borgui.runner.outcome import MOST_NAMED
from borgui.runner.packing import room
from borgui.runner.proving import DAMAGED, MISSING, Checking, Restored, Tally, Waiting
from borgui.runner.sampling import Entry
from borgui.runner.spec import Step, unpack
from borgui.runner.spool import Spool
from borgui.runner.staging import Staging
from borgui.runner.steps import Reader
from borgui.runner.work import Work, run_whole

T = TypeVar("T")

MOST_PATH_BYTES = 500_000
"""Of the paths in one command line, which the kernel limits: more are restored in several runs."""

INTERVAL = 0.25
RESTORED_PERCENT = 50.0
"""Of a drill, when all is restored: the comparison reads it all again."""

CHANGED = (
    "The source has other content than the archive, though its size and time are the same: it was"
    " changed without a new time. What was backed up came back."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """``parameters`` of the step ``drill``. ``sample`` is None for all files."""

    archive: str
    borg_id: str
    """Of the archive that is meant."""
    sample: int | None
    sources: tuple[str, ...]
    """The folders that are backed up, on this machine: what lies elsewhere in the archive is
    compared with borg's checksums."""

    @classmethod
    def of(cls, step: Step) -> "Plan":
        given = step.parameters
        sample = given.get("sample")
        return cls(
            archive=str(given["archive"]),
            borg_id=str(given["borg_id"]),
            sample=None if sample is None else int(sample),
            sources=tuple(unpack(each) for each in given.get("sources_b64") or ()),
        )

    def source_of(self, path: str) -> str | None:
        """Where a file of the archive was read, as far as that is known."""
        place = f"/{path}"
        is_known = any(
            place == each or place.startswith(f"{each.rstrip('/')}/") for each in self.sources
        )
        return place if is_known else None


def drill(work: Work, step: Step) -> None:
    """The act of the step ``drill``. Raises FailedError unless every file came back the same."""
    staging = Staging(work.config.run, work.job, work.attempt)
    try:
        folder = Path(staging.make(os.fspath(work.config.drills)))
        _Drill(work, step, folder).run()
    except OSError as error:
        raise _failed(error) from error
    finally:
        staging.remove()


class _Drill:
    """One drill. All that it writes lies in ``folder``."""

    def __init__(self, work: Work, step: Step, folder: Path) -> None:
        self._work = work
        self._step = step
        self._plan = Plan.of(step)
        self._folder = folder
        self._files = folder / "files"
        self._tally = Tally()
        self._answer = work.answer(step)
        self._choice = Choosing(work, step, self._plan.borg_id, self._plan.sample, folder)
        self._read = 0
        self._due = 0.0
        self._at: str | None = None

    def run(self) -> None:
        try:
            with (
                Spool(self._folder / "chosen", Entry) as chosen,
                Waiting(self._folder / "waiting") as waiting,
            ):
                self._choice.choose(chosen)
                self._restore(chosen)
                self._compare(chosen, waiting)
                self._check(waiting)
        finally:
            self._answer.update(self._tally.figures(MOST_NAMED))
        self._judge()

    # --- restoring it -----------------------------------------------------------------------------

    def _restore(self, chosen: Iterable[Entry]) -> None:
        self._files.mkdir(0o700)
        runs: Iterable[list[Entry]] = [[]]
        if self._plan.sample is not None:
            runs = batches(chosen, lambda entry: entry.path)
        done = 0
        for entries in runs:
            paths = [entry.path for entry in entries]
            argv = commands.extract_contents(self._plan.archive, paths)
            argv = commands.excluding(argv, self._choice.excludes)
            step = replace(self._step, name="extract", argv=tuple(argv), cwd=str(self._files))
            reader = Restoring(self._folder, done, self._choice.size)
            run_whole(self._work, step, reader, NOTHING)
            done = reader.done

    # --- comparing it -----------------------------------------------------------------------------

    def _compare(self, chosen: Iterable[Entry], waiting: Waiting) -> None:
        for entry in chosen:
            if self._choice.leaves_out(entry):
                continue
            self._at = f"/{printable_path(entry.path)}"
            self._tell()
            self._compare_one(entry, waiting)

    def _compare_one(self, entry: Entry, waiting: Waiting) -> None:
        source = self._plan.source_of(entry.path)
        size = None if entry.source else entry.size
        try:
            found = compare(
                os.fspath(self._files), entry.path, source, size, entry.mtime, self._tick
            )
        except OSError as error:
            reason = f"What was restored cannot be read: {error.strerror}."
            self._tally.unproved(entry.path, reason)
            return
        if found is None:
            self._tally.unproved(entry.path, MISSING)
        elif entry.is_broken:
            self._tally.unproved(entry.path, DAMAGED, found.size)
        elif found.source is Source.SAME:
            self._tally.same(found.size)
        elif entry.source and self._plan.sample is None and self._is_linked(entry):
            self._tally.linked(found.size)
        else:
            was_other = found.source is Source.OTHER
            waiting.add(Restored(entry.path, entry.source, found.size, found.sha256, was_other))

    def _is_linked(self, entry: Entry) -> bool:
        """Whether a later name of a hard link is one of its first name, which was restored too."""
        root = os.fspath(self._files)
        mine = os.lstat(posixpath.join(root, entry.path))
        first = (os.lstat(posixpath.join(root, name)) for name in exact(root, entry.source))
        return any(os.path.samestat(mine, each) for each in first)

    def _check(self, waiting: Waiting) -> None:
        """Ask borg for the checksums of what waits; of all files where that is too many to name."""
        if not len(waiting):
            return
        if len(waiting) > Waiting.MOST:
            self._ask(waiting, waiting.links, ())
            return
        for batch in batches([*waiting, *waiting.links], lambda each: each.pattern):
            self._ask(
                [each for each in batch if not each.source],
                [each for each in batch if each.source],
                [each.pattern for each in batch],
            )

    def _ask(
        self, waiting: Iterable[Restored], links: Iterable[Restored], patterns: Iterable[str]
    ) -> None:
        argv = commands.list_checksums(self._plan.archive, list(patterns))
        reader = Checking(waiting, links, self._tally)
        listing = replace(self._step, name="preview", argv=tuple(argv))
        run_whole(self._work, listing, reader, NOTHING)
        reader.finish()

    # --- the end ----------------------------------------------------------------------------------

    def _judge(self) -> None:
        tally = self._tally
        for path, reason in tally.differing.items():
            self._work.warn(reason, path)
        for path in tally.changed:
            self._work.warn(CHANGED, path)
        self._at = None
        self._show(MOST_PERCENT, "Removing what was restored")
        if tally.differing_count:
            count, files = tally.differing_count, tally.files
            verb = "is not what was backed up" if count == 1 else "are not what was backed up"
            raise FailedError(
                "restore_differs",
                f"{count:,} of {files:,} restored {'file' if files == 1 else 'files'} {verb}; see"
                " the warnings. Check the repository.",
            )
        self._work.log.line(
            f"Restored {tally.files:,} files ({size_text(tally.size)}), all identical:"
            f" {tally.with_source:,} to their source, {tally.with_checksums:,} by borg's checksums."
        )

    def _tick(self, count: int) -> None:
        self._read += count
        self._tell()

    def _tell(self) -> None:
        """A few times a second say how far it is, and see whether it is to stop."""
        moment = time.monotonic()
        if moment < self._due:
            return
        self._due = moment + INTERVAL
        share = min(self._read / self._choice.size, 1.0) if self._choice.size else 1.0
        percent = RESTORED_PERCENT + share * (MOST_PERCENT - RESTORED_PERCENT)
        self._show(round(percent, 1))
        self._work.check_stop(NOTHING)

    def _show(self, percent: float, message: str = "Comparing what was restored") -> None:
        progress = Progress(
            progress_percent=percent,
            progress_message=message,
            current_file=self._at,
            nfiles=self._tally.files,
            restored_size=self._tally.size,
        )
        self._work.progress(progress)


class Restoring(Reader):
    """Watches ``borg extract``: how far it is, and whether the disk can take more.

    ``before`` are the bytes of earlier runs, ``total`` those of all.
    """

    def __init__(self, folder: Path, before: int, total: int) -> None:
        self.done = before
        self._folder = folder
        self._before = before
        self._total = total

    def event(self, event: Event) -> bool:
        """A warning that the disk takes nothing more ends it."""
        if isinstance(event, LogMessage) and extracted.loss(event) is Loss.ALL:
            code, sentence = extracted.fatal_of(event) or ("disk_full", event.message)
            self.halt = self.halt or FailedError(code, sentence)
        return False

    def shown(self, progress: Progress) -> Progress:
        """As the first half of the drill. The database lies on the same disk: some stays free."""
        if self.halt is None and room(self._folder) <= 0:
            self.halt = FailedError("disk_full", "The disk of borgui's data folder is almost full.")
        self.done = self._before + (progress.restored_size or 0)
        share = min(self.done / self._total, 1.0) if self._total else 0.0
        return replace(
            progress,
            progress_percent=round(share * RESTORED_PERCENT, 1),
            progress_message="Restoring to a scratch folder",
            current_file=None,
            eta_seconds=None,
        )


def batches(items: Iterable[T], text: Callable[[T], str]) -> Iterator[list[T]]:
    """``items`` in their order, as many at a time as a command line takes of their texts."""
    batch: list[T] = []
    size = 0
    for item in items:
        length = len(os.fsencode(text(item))) + 32
        if batch and size + length > MOST_PATH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def _failed(error: OSError) -> FailedError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        sentence = f"There is not enough space in borgui's data folder. {NOTHING}"
        return FailedError("disk_full", sentence)
    reason = error.strerror or error
    return FailedError(
        "scratch_unwritable", f"The scratch folder cannot be used: {reason}. {NOTHING}"
    )
