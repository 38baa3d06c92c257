"""How soon it serves when it is set up: ``python -m borgui up``, and ``make up``."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator

from borgui.config import ROOT
from tests.bench.figures import Bench, Figure
from tests.integration.product import PASSWORD, Product, free_port


def measure(bench: Bench) -> Iterator[Figure]:
    """From the start of the process to the first 200 of ``/health``."""
    folder = bench.folder / "product"
    first = Product(folder).start()
    first.stop()
    up = [_up(Product(folder)) for _ in bench.times(7, 3)]
    yield Figure("from start to healthy", up, "s", 1.5)
    made = [_make_up(bench) for _ in bench.times(5, 2)]
    yield Figure("make up, a second time", made, "s", 2)


def _up(product: Product) -> float:
    began = time.monotonic()
    product.start(ready=False)
    seconds = _until_healthy(product) - began
    product.stop()
    return seconds


def _make_up(bench: Bench) -> float:
    product = Product(bench.folder / "product", port=free_port())
    env = {
        **os.environ,
        "BORGUI_DATA_DIR": str(product.data_dir),
        "BORGUI_PORT": str(product.port),
        "BORGUI_ADMIN_PASSWORD": PASSWORD,
    }
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "-s", "up"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    seconds = _until_healthy(product) - began
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(40)
    return seconds


def _until_healthy(product: Product) -> float:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if product.get("/health", timeout=5).status == 200:
                return time.monotonic()
        except OSError:
            time.sleep(0.005)
        else:
            time.sleep(0.005)
    raise AssertionError("not healthy after a minute")
