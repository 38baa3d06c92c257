"""Whole backups, first and unchanged, against raw borg: 50,000 small files, and one of 2 GB."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.bench import observe, sources
from tests.bench.figures import Bench, Figure
from tests.bench.raw import Pair, RawBorg, Yardstick, ratios
from tests.integration.product import Product, running

BOUND = 1.03


def of_small_files(bench: Bench) -> Iterator[Figure]:
    """50,000 files of 0.5 to 4 KiB."""
    source = sources.small_files(bench.folder / "source", 5_000 if bench.quick else 50_000)
    first, again = _pairs(bench, source)
    count = "5,000" if bench.quick else "50,000"
    yield ratios(f"{count} small files, first backup", first, BOUND)
    yield ratios(f"{count} small files, unchanged", again, BOUND)


def of_a_large_file(bench: Bench) -> Iterator[Figure]:
    """One file of 2 GB. Unchanged, borg only starts and ends, so there the difference counts."""
    source = sources.large_file(bench.folder / "source", 256 if bench.quick else 2_000)
    first, again = _pairs(bench, source)
    size = "256 MB" if bench.quick else "2 GB"
    yield ratios(f"one file of {size}, first backup", first, BOUND)
    extra = [(ours - theirs) * 1000 for ours, theirs in again]
    yield Figure(f"one file of {size}, unchanged: more than raw", extra, "ms", 100)


def _pairs(bench: Bench, source: Path) -> tuple[list[Pair], list[Pair]]:
    """First backups, each of a new repository, then unchanged ones of another."""
    sources.warm(source)
    theirs = RawBorg(bench.folder)
    with running(bench.folder / "product") as product:
        rows = observe.Rows(product)
        ours = Ours(product, rows, bench.folder / "repositories", source)
        yardstick = Yardstick(lambda: _raw_first(theirs, source))
        first = [yardstick.hold(ours.first) for _ in bench.times(7, 2)]
        path, repository = theirs.init(), ours.new()
        _raw(theirs, path, source)
        ours.run(repository)
        yardstick = Yardstick(lambda: _raw(theirs, path, source))
        again = [yardstick.hold(lambda: ours.run(repository)) for _ in bench.times(25, 4)]
        rows.close()
    return first, again


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

    def first(self) -> float:
        """Seconds of a new repository's first backup."""
        repository = self.new()
        seconds = self.run(repository)
        path = self._product.get(f"/api/repositories/{repository}").json["path"]
        assert self._product.request("DELETE", f"/api/repositories/{repository}").status < 300
        shutil.rmtree(path)
        return seconds


def _raw(borg: RawBorg, repository: Path, source: Path) -> float:
    os.sync()
    return borg.create(repository, source)


def _raw_first(borg: RawBorg, source: Path) -> float:
    repository = borg.init()
    seconds = _raw(borg, repository, source)
    borg.forget(repository)
    return seconds
