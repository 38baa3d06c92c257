"""What a measurement comes to: its single values, what they may be, and how they are printed."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    ``values`` are all that was measured, in ``unit`` (``x``: a ratio of two things measured in
    turn). Their median is held against ``bound``, or where ``worst`` is set the worst of them.
    Without a bound a figure is for information.
    """

    name: str
    values: Sequence[float]
    unit: str
    bound: float | None = None
    at_least: bool = False
    worst: bool = False

    @property
    def value(self) -> float:
        """What is held against the bound."""
        if not self.worst:
            return statistics.median(self.values)
        return min(self.values) if self.at_least else max(self.values)

    @property
    def is_missed(self) -> bool:
        """Whether it is worse than its bound."""
        if self.bound is None:
            return False
        return self.value < self.bound if self.at_least else self.value > self.bound

    def cells(self) -> tuple[str, ...]:
        """What stands in the columns of :data:`COLUMNS`."""
        sign = "≥" if self.at_least else "≤"
        spread = (statistics.median(self.values), min(self.values), max(self.values))
        return (
            self.name,
            self._number(self.value) + self._unit(),
            "" if self.bound is None else f"{sign} {self.bound:g}{self._unit()}",
            str(len(self.values)),
            *map(self._number, spread),
            "" if self.bound is None else "MISSED" if self.is_missed else "ok",
        )

    def _number(self, value: float) -> str:
        if self.unit == "x":
            return f"{value:.3f}"
        if self.unit in ("s", "ms"):
            return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
        return f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"

    def _unit(self) -> str:
        return self.unit if self.unit == "x" else f" {self.unit}"


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measurement is given: a folder of its own, and whether to be brief."""

    folder: Path
    quick: bool

    def times(self, whole: int, brief: int) -> range:
        """How often to measure."""
        return range(brief if self.quick else whole)


COLUMNS = ("measurement", "value", "bound", "n", "median", "min", "max", "verdict")


def table(figures: Iterable[Figure]) -> str:
    """The figures as aligned text."""
    rows = [COLUMNS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = []
    for row in rows:
        first, *rest = (
            cell.ljust(width) if column in (0, 7) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join((first, *rest)).rstrip())
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
