"""The memory of everything together while nothing runs: supervisor, web, control, workers, Redis.

Counted as PSS, where a page that several processes share is divided among them.
"""

import time
from collections.abc import Iterator

from borgui.processes import REST_SECONDS
from tests.bench.figures import Bench, Figure
from tests.integration.product import Product, wait_for

BOUND = 150
MIB = 1024 * 1024


def measure(bench: Bench) -> Iterator[Figure]:
    """After a first start, right after some use of everything, and at rest after that use."""
    Product(bench.folder / "before").start().stop()  # from now on all code is compiled
    product = Product(bench.folder / "product").start()
    try:
        yield Figure("idle memory, started", _totals(bench, product), "MiB", BOUND)
        _use(bench, product)
        yield Figure("memory right after use", _totals(bench, product), "MiB")
        _rest(product)
        yield Figure("idle memory, used and at rest", _totals(bench, product), "MiB", BOUND)
    finally:
        product.stop()


def _rest(product: Product) -> None:
    """Until web and control have been forked anew. The archive is indexed after a minute, which is
    work for control, and its rest begins after that."""
    used = _renewed(product)
    wait_for(lambda: used.isdisjoint(_renewed(product)), 3 * REST_SECONDS + 60, "they did not rest")


def _renewed(product: Product) -> set[int]:
    return {each.pid for each in product.tree() if each.name() in ("borgui web", "borgui control")}


def _use(bench: Bench, product: Product) -> None:
    from tests.bench import observe, sources
    from tests.bench.browser import Browser

    product.sign_in()
    source = sources.tiny(bench.folder / "source")
    repository = observe.add_repository(product, bench.folder / "repository", source)
    product.wait_job(product.back_up(repository))
    browser = Browser(product)
    for _ in range(20):
        for path in ("/", "/jobs", "/repositories", f"/repositories/{repository}", "/settings"):
            browser.get(path)
    browser.close()


def _totals(bench: Bench, product: Product) -> list[float]:
    """Several looks, some seconds apart."""
    found = []
    time.sleep(2 if bench.quick else 10)
    for _ in bench.times(5, 2):
        time.sleep(2)
        found.append(sum(each.memory_full_info().pss for each in product.tree()) / MIB)
    return found
