"""Whole backups, first and unchanged, against raw borg: 50,000 small files, and one of 2 GB."""

import itertools
import os
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.bench import observe, sources
from tests.bench.figures import Bench, Figure
from tests.bench.raw import RawBorg
from tests.integration.product import Product, running

BOUND = 1.03
UNCHANGED = 2
"""Unchanged backups that follow each first one."""

Pair = tuple[float, float]
"""Seconds of the product and of raw borg."""


def of_small_files(bench: Bench) -> Iterator[Figure]:
    """50,000 files of 0.5 to 4 KiB."""
    source = sources.small_files(bench.folder / "source", 5_000 if bench.quick else 50_000)
    first, second = _pairs(bench, source)
    count = "5,000" if bench.quick else "50,000"
    yield _ratios(f"{count} small files, first backup", first)
    yield _ratios(f"{count} small files, unchanged", second)


def of_a_large_file(bench: Bench) -> Iterator[Figure]:
    """One file of 2 GB. Unchanged, borg only starts and ends, so there the difference counts."""
    source = sources.large_file(bench.folder / "source", 256 if bench.quick else 2_000)
    first, second = _pairs(bench, source)
    size = "256 MB" if bench.quick else "2 GB"
    yield _ratios(f"one file of {size}, first backup", first)
    extra = [(ours - theirs) * 1000 for ours, theirs in second]
    yield Figure(f"one file of {size}, unchanged: more than raw", extra, "ms", 100)


def _pairs(bench: Bench, source: Path) -> tuple[list[Pair], list[Pair]]:
    sources.warm(source)
    theirs = RawBorg(bench.folder)
    first: list[Pair] = []
    second: list[Pair] = []
    with running(bench.folder / "product") as product:
        rows = observe.Rows(product)
        ours = Ours(product, rows, bench.folder / "repositories", source)
        for turn in bench.times(5, 2):
            repository, path = ours.new(), theirs.init()
            runs = [lambda r=repository: ours.run(r), lambda p=path: _raw(theirs, p, source)]
            for number in range(1 + UNCHANGED):
                backwards = (turn + number) % 2 == 1
                seconds = [run() for run in (runs[::-1] if backwards else runs)]
                pair = (seconds[1], seconds[0]) if backwards else (seconds[0], seconds[1])
                (second if number else first).append(pair)
            theirs.forget(path)
            ours.forget(repository)
        rows.close()
    return first, second


class Ours:
    """The product's repositories of one source."""

    def __init__(self, product: Product, rows: observe.Rows, folder: Path, source: Path) -> None:
        self._product, self._rows, self._folder, self._source = product, rows, folder, source
        self._numbers = itertools.count(1)
        folder.mkdir()

    def new(self) -> int:
        """A new, empty repository; returns its id."""
        path = self._folder / f"r{next(self._numbers)}"
        return observe.add_repository(self._product, path, self._source)

    def run(self, repository: int) -> float:
        """Seconds of a backup."""
        os.sync()
        return observe.back_up(self._product, self._rows, repository)

    def forget(self, repository: int) -> None:
        """Forget it and remove its data."""
        path = self._product.get(f"/api/repositories/{repository}").json["path"]
        assert self._product.request("DELETE", f"/api/repositories/{repository}").status < 300
        shutil.rmtree(path)


def _raw(borg: RawBorg, repository: Path, source: Path) -> float:
    os.sync()
    return borg.create(repository, source)


def _ratios(name: str, pairs: list[Pair]) -> Figure:
    seconds = statistics.median(theirs for _, theirs in pairs)
    ratios = [ours / theirs for ours, theirs in pairs]
    return Figure(f"{name} (raw {seconds:.2f} s)", ratios, "x", BOUND)
