"""How many progress partials a second are served, against an empty view with one HGETALL."""

import contextlib
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from borgui import live
from borgui.config import ROOT
from tests.bench.baseline import JOB
from tests.bench.browser import Browser
from tests.bench.figures import Bench, Figure
from tests.integration.product import Product, free_port, running, wait_for

CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk says of a run; ``p99`` in milliseconds."""

    rate: float
    p99: float


def measure(bench: Bench) -> Iterator[Figure]:
    """Alternating runs of wrk; the job runs as far as its live hash says."""
    ratios: list[float] = []
    slowest: list[float] = []
    rates: list[float] = []
    seconds = 2 if bench.quick else 5
    with running(bench.folder / "product") as product:
        cookie = Browser(product).cookie
        ours = product.url(f"/jobs/{JOB}/progress")
        with _backup_runs(product), _baseline(bench, product) as theirs:
            for url in (ours, theirs):
                _load(url, cookie, 1)
            for turn in bench.times(5, 2):
                pair = (ours, theirs) if turn % 2 else (theirs, ours)
                found = {url: _load(url, cookie, seconds) for url in pair}
                ratios.append(found[ours].rate / found[theirs].rate)
                slowest.append(found[ours].p99)
                rates.append(found[ours].rate)
    yield Figure("progress partial: rate against an empty view", ratios, "x", 0.6, at_least=True)
    yield Figure("  p99 at 50 connections", slowest, "ms", 100)
    yield Figure("  partials a second", rates, "/s")


@contextlib.contextmanager
def _backup_runs(product: Product) -> Iterator[None]:
    """A running backup's live hash, written twice a second as a worker does."""
    redis = live.connect(f"unix://{product.data_dir}/redis/redis.sock")
    facts = {"kind": "backup", "machine": "local", "repository_id": 1, "repository_name": "photos"}
    live.announce(redis, JOB, attempt=1, label="Backup", created_at=live.timestamp(), **facts)
    state = {
        "status": "running",
        "step": "create",
        "pid": 4711,
        "start_time": live.timestamp(),
        "progress_percent": 41.7,
        "current_file": "srv/photos/2026/2026-07-11 Lake/IMG_2041.CR3",
        "nfiles": 20_771,
        "original_size": 31_415_926_535,
        "compressed_size": 29_979_245_800,
        "deduplicated_size": 1_618_033_988,
        "backup_speed": 96.4,
        "eta_seconds": 451,
        "warning_count": 0,
        "log_base": 0,
        "log_end": 0,
    }
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(0.5):
            redis.hset(live.job_key(JOB), "updated_at", live.timestamp())

    redis.hset(live.job_key(JOB), mapping=live.encode(state | {"updated_at": live.timestamp()}))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


@contextlib.contextmanager
def _baseline(bench: Bench, product: Product) -> Iterator[str]:
    port = free_port()
    socket = f"unix://{product.data_dir}/redis/redis.sock"
    module = [sys.executable, "-m", "tests.bench.baseline"]
    process = subprocess.Popen([*module, socket, str(port), str(bench.folder / "none")], cwd=ROOT)
    url = f"http://127.0.0.1:{port}/"

    def answers() -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.read()) > 20
        return False

    try:
        wait_for(answers, 20, "the empty view does not answer")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _load(url: str, cookie: str, seconds: int) -> Load:
    program = shutil.which("wrk")
    assert program, "wrk is missing: apt-get install wrk"
    words = [program, "-t", "2", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--latency"]
    done = subprocess.run(
        [*words, "-H", f"Cookie: {cookie}", "-H", "HX-Request: true", url],
        capture_output=True,
        check=True,
        text=True,
        timeout=seconds + 30,
    )
    text = done.stdout
    assert "Non-2xx" not in text, text
    assert "Socket errors" not in text, text
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", text)
    assert rate, text
    assert p99, text
    return Load(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]])
