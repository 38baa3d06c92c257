"""``make bench``: what the product may cost, measured against raw borg in the same run."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from tests.bench.figures import Bench, Figure, table

MEASUREMENTS = {
    "memory": "memory:measure",
    "start": "start:measure",
    "latency": "latency:measure",
    "pages": "pages:measure",
    "partial": "partial:measure",
    "twenty": "twenty:measure",
    "large-file": "backups:of_a_large_file",
    "index": "index:making",
    "index-beside": "index:beside",
    "index-reading": "index:reading",
    "small-files": "backups:of_small_files",
}
"""Name → module and function. Memory comes first: what the bench itself has imported by then is
little, and what two processes share counts half."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and answer 1 when a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="small and few: says little")
    parser.add_argument("--folder", type=Path, help="where to work (default: the temporary one)")
    options = parser.parse_args(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is set up has its code compiled
    figures: list[Figure] = []
    for name in options.only or MEASUREMENTS:
        began = time.monotonic()
        found = _measure(name, options.folder, quick=options.quick)
        figures += found
        print(f"{name}: {time.monotonic() - began:.0f} s\n{table(found)}\n", file=sys.stderr)
    print(table(figures))
    return 1 if any(figure.is_missed for figure in figures) else 0


def _measure(name: str, parent: Path | None, *, quick: bool) -> list[Figure]:
    folder = Path(tempfile.mkdtemp(prefix="borgui-bench-", dir=parent))
    try:
        return list(_function(name)(Bench(folder, quick)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _function(name: str) -> Callable[[Bench], Iterator[Figure]]:
    module, _, function = MEASUREMENTS[name].partition(":")
    found: Callable[[Bench], Iterator[Figure]] = getattr(
        import_module(f"tests.bench.{module}"), function
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
