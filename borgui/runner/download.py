"""Prepares a download: looks at what was selected, then writes it to the data folder's file."""

import errno
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from borgui.borg import extracted
from borgui.borg.display import as_borg_prints, printable_path, size_text
from borgui.borg.events import Event, LogMessage
from borgui.borg.extracted import Loss
from borgui.borg.figures import MOST_PERCENT
from borgui.borg.progress import Progress
from borgui.borg.selection import Selected, stripped
from borgui.runner.failure import FailedError
from borgui.runner.listed import ListedJson, selected_of
from borgui.runner.outcome import MOST_NAMED
from borgui.runner.packing import Packer, Part, Plain, Zstd, room
from borgui.runner.spec import Step, unpack
from borgui.runner.steps import Ended, Reader
from borgui.runner.work import Work
from borgui.runner.zipping import BadStreamError, FromTar, OneFile, Zip

NOTHING = "Nothing was prepared."

MOST_IN_ZIP = 200_000
"""A zip's table of contents is held until its end: some 130 MB for so many entries."""

BLOCK = 512
RECORD = 20 * BLOCK
NAME_FIELD = 100
"""Bytes of a name that a tar header has room for."""

_UNSUPPORTED = "unsupported file type"


@dataclass(frozen=True, slots=True)
class Plan:
    """``parameters`` of the step ``download``."""

    format: str
    selected: tuple[Selected, ...]
    strip_components: int
    listing: tuple[str, ...]
    """The command line that lists what is selected."""

    @classmethod
    def of(cls, step: Step) -> "Plan":
        given = step.parameters
        return cls(
            format=str(given["format"]),
            selected=selected_of(given),
            strip_components=int(given.get("strip_components") or 0),
            listing=tuple(unpack(word) for word in given["listing"]),
        )


def download(work: Work, step: Step) -> None:
    """The act of the step ``download``. Raises FailedError."""
    plan = Plan.of(step)
    folder = work.config.downloads
    try:
        listed = _look(work, step, plan)
        _check(listed, plan, folder)
        with Part(folder / f"{work.job}.part") as part:
            _pack(work, step, plan, listed, part)
            size = part.keep(folder / f"{work.job}.file")
    except OSError as error:
        raise _failed(error) from error
    work.answer(step).update({"nfiles": listed.nfiles, "file_size": size})
    work.log.line(f"Prepared: {size_text(size)}.")
    if plan.format == "zip" and listed.special:
        work.warn(
            f"A zip can hold no named pipes and devices: {listed.special} of them are empty "
            "files in it."
        )


# --- what is selected -----------------------------------------------------------------------------


class Listing(ListedJson):
    """Measures what ``borg list`` names. Paths as borg shows them."""

    def __init__(self, selected: Sequence[Selected], strip_components: int) -> None:
        super().__init__(selected)
        self.entries = self.nfiles = self.special = self.size = self.tar_size = 0
        """Borg tells no size of a further name of a hard link; in the tar it has one where the
        first name was not selected."""
        self.first: dict[str, Any] = {}
        self.damaged: list[str] = []
        self.damaged_count = 0
        self._strip = strip_components

    def take(self, entry: dict[str, Any], path: str) -> None:
        """Take one entry."""
        self.first = self.first or entry
        self.entries += 1
        kind = entry.get("type")
        size = int(entry.get("size") or 0) if kind == "-" else 0
        if kind == "-":
            self.nfiles += 1
        elif kind not in {"d", "l"}:
            self.special += 1
        self.size += size
        self.tar_size += _in_tar(stripped(path, self._strip), size)
        if entry.get("healthy") is False:
            self.damaged_count += 1
            self.damaged += [path][: MOST_NAMED - len(self.damaged)]

    @property
    def whole_tar_size(self) -> int:
        """With its end."""
        return -(-(self.tar_size + 2 * BLOCK) // RECORD) * RECORD


def _in_tar(path: str, size: int) -> int:
    """Bytes of an entry in GNU's format; links with a long target take a little more."""
    name = len(path.encode("utf-8", "replace")) + 1
    header = BLOCK if name <= NAME_FIELD else 2 * BLOCK + _blocks(name)
    return header + _blocks(size)


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _look(work: Work, step: Step, plan: Plan) -> Listing:
    listing = Listing(plan.selected, plan.strip_components)
    ended = work.run_program(replace(step, name="preview", argv=plan.listing), listing)
    if ended.verdict.status != "completed":
        work.note(ended)
        work.conclude(ended, NOTHING)
    missing = listing.missing()
    for each in missing[:MOST_NAMED]:
        work.warn("It is not in the archive.", each.path)
    if missing and not listing.entries:
        raise FailedError("nothing_matched", "None of the selected paths is in this archive.")
    if missing:
        raise FailedError(
            "not_all_found", f"Some of what was selected is not in this archive. {NOTHING}"
        )
    for path in listing.damaged:
        work.warn("The repository has lost a part of its content.", path)
    return listing


def _check(listed: Listing, plan: Plan, folder: Path) -> None:
    if listed.damaged_count:
        raise FailedError(
            "content_damaged",
            "The repository has lost a part of what was selected; see the warnings. Check the "
            "repository. A restore gives back what is left of it.",
        )
    if not listed.entries:
        raise FailedError("nothing_to_download", "There is nothing in this archive.")
    if plan.format == "file":
        _check_one_file(listed, plan)
    if plan.format == "zip" and listed.entries > MOST_IN_ZIP:
        raise FailedError(
            "too_many_for_zip",
            f"A zip of {listed.entries:,} entries is too much; at most {MOST_IN_ZIP:,} go into "
            "one. Choose tar.",
        )
    needed = {"file": listed.size, "tar": listed.whole_tar_size}.get(plan.format)
    free = room(folder)
    if free <= 0 or (needed is not None and needed > free):
        need = f"It needs {size_text(needed)} and" if needed is not None else "Only"
        raise FailedError(
            "no_space",
            f"{need} {size_text(max(free, 0))} can be used in borgui's data folder. Free some "
            "space or select less.",
        )


def _check_one_file(listed: Listing, plan: Plan) -> None:
    first = listed.first
    (path,) = [as_borg_prints(each.path) for each in plan.selected]
    if listed.entries > 1 and first["path"] == path and plan.selected[0].is_pattern:
        raise FailedError(
            "not_one_file",
            "Several names in the archive look like this one, alike but for bytes that borg "
            "cannot show. Download them as tar.",
        )
    if listed.entries != 1 or first["path"] != path or first.get("type") != "-":
        raise FailedError(
            "not_a_file", "This is no regular file. Download it as tar, tar.zst or zip."
        )


# --- writing it -----------------------------------------------------------------------------------


class Packing(Reader):
    """Hands what borg prints to a packer."""

    def __init__(self, packer: Packer, expected: int) -> None:
        self.received = 0
        self.losses: Counter[Loss] = Counter()
        self.tail = b""
        self._packer = packer
        self._expected = expected
        self._began: float | None = None

    def output(self, data: bytes) -> bool:
        """Take a piece of stdout."""
        if self.halt is None:
            try:
                self._packer.write(data)
            except (OSError, BadStreamError) as error:
                self.halt = _failed(error)
        self._began = self._began or time.monotonic()
        self.received += len(data)
        self.tail = (self.tail + data[-2 * BLOCK :])[-2 * BLOCK :]
        return True

    def event(self, event: Event) -> bool:
        """Weigh a warning."""
        if isinstance(event, LogMessage):
            kind = extracted.loss(event)
            if event.levelname == "WARNING" and _UNSUPPORTED in event.message:
                kind = Loss.FILE
            self.losses[kind] += 1
        return False

    def shown(self, progress: Progress) -> Progress:
        """Percent and time left by what was measured before."""
        if self._began is None or not self._expected:
            return progress
        seconds = time.monotonic() - self._began
        left = max(self._expected - self.received, 0)
        return replace(
            progress,
            progress_percent=min(round(100 * self.received / self._expected, 1), MOST_PERCENT),
            progress_message=f"{size_text(self.received)} of about {size_text(self._expected)}",
            eta_seconds=round(left * seconds / self.received) if seconds > 1 else None,
        )


def _pack(work: Work, step: Step, plan: Plan, listed: Listing, part: Part) -> None:
    packer = _packer(plan.format, part)
    try:
        reader = Packing(packer, listed.whole_tar_size)
        ended = work.run_program(step, reader)
        _judge(work, reader, ended)
        try:
            packer.finish()
        except BadStreamError as error:
            raise _failed(error) from error
        if isinstance(packer, FromTar) and packer.entries != listed.entries:
            raise FailedError(
                "not_all_in_it",
                f"Borg gave {packer.entries} of {listed.entries} entries. {NOTHING}",
            )
    finally:
        packer.abort()


def _packer(form: str, part: Part) -> Packer:
    if form in {"file", "zip"}:
        return OneFile(part) if form == "file" else Zip(part)
    return Zstd(part) if form == "tar.zst" else Plain(part)


def _judge(work: Work, reader: Packing, ended: Ended) -> None:
    """Raise FailedError unless all that was selected has come."""
    work.note(ended)
    if reader.halt is not None:
        raise FailedError(reader.halt.code, f"{reader.halt.message} {NOTHING}")
    work.conclude(ended, NOTHING)
    lost = reader.losses
    if lost[Loss.FILE] or lost[Loss.CONTENT] or lost[Loss.ALL] or lost[Loss.UNMATCHED]:
        raise FailedError(
            "not_all_in_it",
            f"Not all of what was selected could be read; see the warnings. {NOTHING}",
        )
    if reader.received % BLOCK or reader.tail != bytes(2 * BLOCK):
        raise FailedError("not_all_in_it", f"Borg's output is not whole. {NOTHING}")


def _failed(error: Exception) -> FailedError:
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return FailedError(
                "disk_full", "There is not enough space for it in borgui's data folder."
            )
        reason = error.strerror or error
        return FailedError("download_unwritable", f"The file could not be written: {reason}.")
    return FailedError(
        "output_unreadable", f"What borg printed cannot be read: {printable_path(str(error))}."
    )
