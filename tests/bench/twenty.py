"""Twenty repositories backed up at once by two workers, against raw borg two at a time."""

import contextlib
import http.client
import json
import selectors
import shutil
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import observe, sources
from tests.bench.browser import Browser
from tests.bench.figures import Bench, Figure
from tests.bench.raw import RawBorg
from tests.integration.product import Product, running

REPOSITORIES = 20
BROWSERS = 20
FILES = 4_000


@dataclass
class _Found:
    """Of one of the two: ratios, and the milliseconds of each POST and poll."""

    ratios: list[float] = field(default_factory=list)
    posts: list[float] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)


def measure(bench: Bench) -> Iterator[Figure]:
    """In peace, and while browsers poll the list of jobs every second.

    The machine's own speed comes and goes within a minute, so each is held against the mean of
    raw borg right before it and right after.
    """
    files = 400 if bench.quick else FILES
    source = bench.folder / "source"
    sources.tiny(source)
    raw = RawBorg(bench.folder)
    paths = [raw.init() for _ in range(REPOSITORIES)]
    with running(bench.folder / "product") as product:
        rows = observe.Rows(product)
        ids = [
            observe.add_repository(product, bench.folder / f"r{number}", source)
            for number in range(REPOSITORIES)
        ]
        found = {polled: _Found() for polled in (False, True)}
        before = _raw(raw, paths, source, files)
        for _ in bench.times(7, 1):
            for polled, each in found.items():
                _renew(source, files)
                with _browsers(product, each.polls) if polled else contextlib.nullcontext():
                    seconds, answered = _ours(product, rows, ids)
                after = _raw(raw, paths, source, files)
                each.ratios.append(seconds / statistics.mean((before, after)))
                each.posts += answered
                before = after
        rows.close()
    for polled, each in found.items():
        when = ", 20 browsers poll" if polled else ""
        yield Figure(f"20 repositories, 2 workers{when}", each.ratios, "x", 1.15)
        yield Figure(f"  a POST then{when}", each.posts, "ms", 200, worst=True)
        if each.polls:
            yield Figure("  a poll then", each.polls, "ms")


def _raw(raw: RawBorg, paths: list[Path], source: Path, files: int) -> float:
    """Seconds until raw borg has backed up all, two at a time; new files, as each time."""
    _renew(source, files)
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: raw.create(path, source), paths))
    return time.monotonic() - began


def _renew(source: Path, files: int) -> None:
    """New files, so that each round reads and stores all of them."""
    shutil.rmtree(source)
    sources.small_files(source, files)
    sources.warm(source)


def _ours(product: Product, rows: observe.Rows, ids: list[int]) -> tuple[float, list[float]]:
    """Seconds until all are completed, and the milliseconds of each POST; all sent at once."""
    began = time.monotonic()
    answers = _post_all(product, ids)
    ended = max(rows.wait(job, "completed", pause=0.02) for job, _ in answers)
    observe.borg_is_gone(product)
    return ended - began, [milliseconds for _, milliseconds in answers]


def _post_all(product: Product, ids: list[int]) -> list[tuple[int, float]]:
    """The job and the milliseconds of each POST, until its answer is there.

    By one thread on open connections: twenty threads of ours would wait for each other, and that
    would count.
    """
    found = []
    with selectors.DefaultSelector() as selector:
        for repository in ids:
            connection = socket.create_connection(("127.0.0.1", product.port))
            selector.register(connection, selectors.EVENT_READ, _request(product, repository))
        waiting = {key.fd: key for key in selector.get_map().values()}
        sent = {}
        for key in waiting.values():
            sent[key.fd] = time.monotonic()
            key.fileobj.sendall(key.data)  # type: ignore[union-attr]
        while waiting:
            for key, _ in selector.select(30):
                moment = time.monotonic()
                with contextlib.closing(key.fileobj) as connection:  # type: ignore[type-var]
                    answer = http.client.HTTPResponse(connection)  # type: ignore[arg-type]
                    answer.begin()
                    assert answer.status == 202, answer.read()
                    job = int(json.loads(answer.read())["job_id"])
                    selector.unregister(connection)
                found.append((job, (moment - sent[key.fd]) * 1000))
                del waiting[key.fd]
    return found


def _request(product: Product, repository: int) -> bytes:
    body = json.dumps({"repository_id": repository})
    lines = (
        "POST /api/backup/run HTTP/1.1",
        f"Host: 127.0.0.1:{product.port}",
        f"Authorization: Bearer {product.token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", body)).encode()


@contextlib.contextmanager
def _browsers(product: Product, polls: list[float]) -> Iterator[None]:
    """Browsers that ask for the list of what runs, each once a second."""
    stop = threading.Event()
    cookie = Browser(product).cookie

    def poll(number: int) -> None:
        browser = Browser(product, cookie)
        stop.wait(number / BROWSERS)
        while not stop.is_set():
            polls.append(browser.seconds("/jobs/active", **{"HX-Request": "true"}) * 1000)
            stop.wait(1)
        browser.close()

    threads = [threading.Thread(target=poll, args=(number,)) for number in range(BROWSERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
