"""Folds a run's events into what is shown while it runs. The clock is passed in, in seconds."""

import math
import re
from dataclasses import dataclass, fields
from typing import Final

from borgui.borg.events import (
    ArchiveProgress,
    Event,
    LogMessage,
    ProgressMessage,
    ProgressPercent,
)
from borgui.borg.evidence import Evidence
from borgui.borg.figures import MOST_PERCENT, Figures
from borgui.borg.output import ArchiveStats

SMOOTHING_SECONDS: Final = 10.0
"""Time constant of the speed: unchanged files count at once, so the raw rate jumps."""

_STALL_SECONDS: Final = 2.0
"""Borg reports 5 times a second; after this much silence the shown speed falls."""

_METADATA_SLACK: Final = 4096
"""Borg counts the archive's own metadata too (886 bytes for 10,000 files, on 1.2.4)."""

_LAGGING_PERCENT: Final = re.compile(r"^\s*\d+(?:\.\d+)?%\s*")


@dataclass(frozen=True, slots=True)
class Progress(Figures):
    """The state of a run."""

    warning_count: int = 0

    def as_numbers(self) -> dict[str, str | float | int | None]:
        """Return the fields for JSON."""
        return {name: getattr(self, name) for name in _NAMES}


_NAMES: Final = tuple(field.name for field in fields(Progress))


class ProgressFold:
    """Events in, the present :class:`Progress` out; keeps the evidence for the verdict too."""

    def __init__(self, step: str, now: float, expected_size: int | None = None) -> None:
        """``step`` is the step's name, ``now`` its start, ``expected_size`` see :meth:`expect`."""
        self.evidence = Evidence()
        self._create = step == "create"
        self._extract = step == "extract"
        self._expected = expected_size
        self._archive = ArchiveProgress(finished=False)
        self._phases: dict[int, str] = {}
        self._percent: float | None = None
        self._extracted: tuple[int, int] | None = None
        self._speed = _Speed(now)

    def expect(self, original_size: int | None) -> None:
        """Set the total of a ``create`` in bytes; may come at any time, None takes it back."""
        self._expected = original_size

    @property
    def is_outgrown(self) -> bool:
        """Whether a ``create`` has read more than its total: the sources have grown since."""
        size = self._archive.original_size
        return bool(self._expected and size and size > self._expected + _METADATA_SLACK)

    def feed(self, event: Event, now: float) -> None:
        """Take in one event that arrived at ``now``."""
        self.evidence.feed(event)
        match event:
            case ArchiveProgress(finished=False):
                self._archive = event
                if event.original_size is not None:
                    self._speed.feed(event.original_size, now)
            case ProgressMessage():
                self._phase(event.operation, event.finished, event.message)
            case ProgressPercent():
                self._step_percent(event)
                if self._extract and event.msgid == "extract" and event.total:
                    self._extracted = min(event.current or 0, event.total), event.total
                    self._speed.feed(self._extracted[0], now)
            case LogMessage(name="borg.output.progress", message=message):
                self._phase(-1, not message, message)
            case _:
                pass

    def snapshot(self, now: float) -> Progress:
        """Return the state at ``now``."""
        size = self._archive.original_size
        speed = self._speed.at(now) if self._create or self._extract else None
        return Progress(
            progress_percent=self._create_percent() if self._create else self._percent,
            progress_message=next(reversed(self._phases.values()), None),
            current_file=f"/{self._archive.path}" if self._archive.path else None,
            nfiles=self._archive.nfiles,
            original_size=size,
            compressed_size=self._archive.compressed_size,
            deduplicated_size=self._archive.deduplicated_size,
            restored_size=self._extracted[0] if self._extracted else None,
            backup_speed=None if speed is None else round(speed / 1e6, 3),
            eta_seconds=self._eta(speed),
            warning_count=self.evidence.warning_count,
        )

    def final(self, stats: ArchiveStats, now: float) -> Progress:
        """Return the state of a ``create`` that ended well: borg's own figures, whole-run speed."""
        return Progress(
            progress_percent=100.0,
            nfiles=stats.nfiles,
            original_size=stats.original_size,
            compressed_size=stats.compressed_size,
            deduplicated_size=stats.deduplicated_size,
            backup_speed=self._speed.overall(stats.original_size, now),
            warning_count=self.evidence.warning_count,
        )

    def _phase(self, operation: int, finished: bool, message: str) -> None:
        self._phases.pop(operation, None)
        text = _LAGGING_PERCENT.sub("", message).strip()
        if not finished and text:
            self._phases[operation] = text

    def _step_percent(self, event: ProgressPercent) -> None:
        if event.msgid != "extract":  # its message names the file, which is no phase
            self._phase(event.operation, event.finished, event.message)
        if event.current is not None and event.total:
            share = min(event.current / event.total, 1.0)
            self._percent = min(_floor(100 * share), MOST_PERCENT)

    def _create_percent(self) -> float | None:
        size = self._archive.original_size
        if size is None or not self._expected or self.is_outgrown:
            return None
        return min(_floor(100 * size / self._expected), MOST_PERCENT)

    def _eta(self, speed: float | None) -> int | None:
        if self._extracted:
            return _seconds_for(self._extracted[1] - self._extracted[0], speed)
        size = self._archive.original_size
        if self._create_percent() is None or size is None or self._expected is None:
            return None
        return _seconds_for(self._expected - size, speed)


class _Speed:
    """Bytes a second, exponentially smoothed over :data:`SMOOTHING_SECONDS`."""

    def __init__(self, now: float) -> None:
        self._start = now
        self._time = now
        self._size = 0
        self._value: float | None = None

    def feed(self, size: int, now: float) -> None:
        gap = now - self._time
        if gap <= 0:
            return
        rate = max(size - self._size, 0) / gap
        if self._value is None:
            if size == 0:
                return  # borg's first object is all zeros: it says nothing about the speed
            self._value = rate
        else:
            weight = 1 - math.exp(-gap / SMOOTHING_SECONDS)
            self._value += weight * (rate - self._value)
        self._time, self._size = now, size

    def at(self, now: float) -> float | None:
        silence = now - self._time
        if self._value is None or silence <= _STALL_SECONDS:
            return self._value
        return self._value * math.exp(-(silence - _STALL_SECONDS) / SMOOTHING_SECONDS)

    def overall(self, size: int, now: float) -> float | None:
        elapsed = now - self._start
        return round(size / elapsed / 1e6, 3) if elapsed > 0 else None


def _seconds_for(size: int, speed: float | None) -> int | None:
    seconds = max(size, 0) / speed if speed else math.inf
    return math.ceil(seconds) if seconds < 1e8 else None


def _floor(percent: float) -> float:
    return math.floor(percent * 10) / 10
