"""How soon borg runs after the POST, and what a backup of next to nothing costs beyond borg."""

import statistics
import time
from collections.abc import Iterator

from tests.bench import observe, sources
from tests.bench.figures import Bench, Figure
from tests.bench.raw import RawBorg
from tests.integration.product import Product, running


def measure(bench: Bench) -> Iterator[Figure]:
    """From POST to borg's start, to ``running``, to ``completed``."""
    source = sources.tiny(bench.folder / "source")
    starts = observe.Starts(bench.folder)
    raw = RawBorg(bench.folder)
    path = raw.init()
    started, running_after, extra, seconds = [], [], [], []
    with running(bench.folder / "product", BORGUI_BORG=str(starts.program)) as product:
        rows = observe.Rows(product)
        repository = observe.add_repository(product, bench.folder / "repository", source)
        for turn in bench.times(20, 5):
            theirs = raw.create(path, source) if turn % 2 else None
            begun, seen, ended = _back_up(product, rows, starts, repository)
            theirs = theirs or raw.create(path, source)
            started.append(begun * 1000)
            running_after.append(seen * 1000)
            extra.append((ended - theirs) * 1000)
            seconds.append(theirs)
            time.sleep(0.1)
        rows.close()
    starts.close()
    yield Figure("from POST to borg started", started, "ms", 60)
    yield Figure("from POST to status running", running_after, "ms", 60)
    name = f"tiny backup: more than raw ({statistics.median(seconds):.2f} s)"
    yield Figure(name, extra, "ms", 100)


def _back_up(
    product: Product, rows: observe.Rows, starts: observe.Starts, repository: int
) -> tuple[float, float, float]:
    """Seconds from the POST to borg's start, to ``running``, to ``completed``."""
    starts.forget()
    began = time.monotonic()
    job = product.back_up(repository)
    begun = starts.wait()
    seen = rows.wait(job, "running", "completed", pause=0.001)
    ended = rows.wait(job, "completed", pause=0.001)
    observe.borg_is_gone(product)
    return begun - began, seen - began, ended - began
