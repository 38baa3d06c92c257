"""Which files a drill restores: all that an archive holds, or a sample that fits on the disk."""

from dataclasses import replace
from pathlib import Path

from borgui.borg.display import counted, size_text
from borgui.runner.failure import FailedError
from borgui.runner.overlapping import Links, sort_out
from borgui.runner.packing import room
from borgui.runner.sampling import Entry, Reservoir, Sampling
from borgui.runner.spec import Step
from borgui.runner.spool import Spool
from borgui.runner.work import Work, run_whole

NOTHING = "Nothing was proved."

MOST_SAMPLE_BYTES = 10 * 1000**3
"""What a sample may take in the scratch folder; never more than half of what is free there."""


class Choosing:
    """``borg_id`` is the archive's; ``sample`` is how many files are wanted, None for all;
    ``folder`` is where they are going to lie. Call :meth:`choose` first."""

    def __init__(
        self, work: Work, step: Step, borg_id: str, sample: int | None, folder: Path
    ) -> None:
        self.size = 0
        """Bytes that the chosen files take."""
        self.excludes: list[str] = []
        """Keep borg from writing through links, where it is not told each file."""
        self._work = work
        self._step = step
        self._borg_id = borg_id
        self._sample = sample
        self._folder = folder
        self._answer = work.answer(step)
        self._links = Links()

    def choose(self, chosen: Spool[Entry]) -> None:
        """Fill ``chosen``. Raises FailedError, and OSError."""
        reservoir = Reservoir(self._sample) if self._sample is not None else None
        choice = chosen if reservoir is None else reservoir
        reader = Sampling(choice, self._borg_id, self._links)
        run_whole(self._work, replace(self._step, name="preview"), reader, NOTHING)
        if not reader.files:
            raise FailedError(
                "nothing_to_drill", f"There is no regular file in this archive. {NOTHING}"
            )
        free = max(room(self._folder), 0)
        if reservoir is None:
            self._check_space(reader.taken, free)
            self.size = reader.taken
            self._leave_out(chosen)
        else:
            self._take(reservoir, min(reader.files, self._sample or 0), free, chosen)

    def leaves_out(self, entry: Entry) -> bool:
        """Whether one of all files is kept from being restored."""
        return bool(self.excludes) and self._links.fault(entry.place) is not None

    def _leave_out(self, chosen: Spool[Entry]) -> None:
        left_out = sort_out(self._work, self._step, self._links, NOTHING)
        self.excludes = list(left_out.patterns)
        total = count = 0
        for entry in chosen if left_out.count else ():
            total += 1
            count += self._links.fault(entry.place) is not None
        self._answer["skipped_count"] = count
        if count:
            self._warn_left_out(count)
            if count == total:
                raise FailedError("nothing_to_drill", f"No file was left. {NOTHING}")

    def _warn_left_out(self, count: int) -> None:
        they = "was left out: it is" if count == 1 else "were left out: they are"
        files = counted(count, "file")
        self._work.warn(f"{files} below links of the same archive {they} not proved.")

    def _take(self, reservoir: Reservoir, size: int, free: int, chosen: Spool[Entry]) -> None:
        limit = min(MOST_SAMPLE_BYTES, free // 2)
        fitting = reservoir.fitting(limit)
        # each is named to borg: of links just one that has the very path of a file comes with it
        safe = [entry for entry in fitting if self._links.clash(entry.place) is None]
        if len(safe) < len(fitting):
            self._warn_left_out(len(fitting) - len(safe))
            size -= len(fitting) - len(safe)
            fitting = safe
            if not fitting:
                raise FailedError("nothing_to_drill", f"No file was left. {NOTHING}")
        self._answer["skipped_count"] = size - len(fitting)
        if not fitting:
            raise FailedError(
                "no_space",
                f"None of the chosen files ({size:,}) fits into borgui's data folder, where a"
                f" sample may take {size_text(limit)}. {NOTHING}",
            )
        if len(fitting) < size:
            self._work.log.line(
                f"Left out: {size - len(fitting):,} of {size:,} chosen files, since a sample may"
                f" take {size_text(limit)}."
            )
        self.size = sum(entry.taken for entry in fitting)
        # sources that overlap are stored twice: of one path the last is restored
        for entry in {entry.path: entry for entry in fitting}.values():
            chosen.offer(entry)

    def _check_space(self, needed: int, free: int) -> None:
        if needed > free:
            raise FailedError(
                "no_space",
                f"It needs {size_text(needed)} and {size_text(free)} can be used in borgui's data"
                f" folder. Free some space there, or restore a sample. {NOTHING}",
            )
