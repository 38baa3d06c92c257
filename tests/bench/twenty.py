"""Twenty repositories backed up at once by two workers, against raw borg two at a time."""

import contextlib
import functools
import http.client
import json
import re
import selectors
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import observe, sources
from tests.bench.browser import Browser
from tests.bench.figures import Bench, Figure
from tests.bench.raw import Pair, RawBorg, Yardstick, ratios
from tests.integration.product import Product, running

REPOSITORIES = 20
BROWSERS = 20
FILES = 4_000
_LENGTH = re.compile(rb"Content-Length: (\d+)")


@dataclass
class _Found:
    """Of one of the two: seconds, and the milliseconds of each POST and poll."""

    pairs: list[Pair] = field(default_factory=list)
    posts: list[float] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)


def measure(bench: Bench) -> Iterator[Figure]:
    """In peace, and while browsers poll the list of jobs every second."""
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

        def ours(polled: bool) -> float:
            _renew(source, files)
            browsers = _browsers(product, found[polled].polls)
            with browsers if polled else contextlib.nullcontext():
                seconds, answered = _ours(product, rows, ids)
            found[polled].posts += answered
            return seconds

        yardstick = Yardstick(lambda: _raw(raw, paths, source, files))
        for _ in bench.times(7, 1):
            for polled, each in found.items():
                each.pairs.append(yardstick.hold(functools.partial(ours, polled)))
        rows.close()
    for polled, each in found.items():
        when = ", 20 browsers poll" if polled else ""
        yield ratios(f"20 repositories, 2 workers{when}", each.pairs, 1.15)
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
    """Browsers that ask for the list of what runs, each a second after its last answer.

    One thread plays them all: twenty would take processor time that counts against the product.
    """
    first = Browser(product)
    first.get("/")  # here the session has its last cookie; those who come back send it
    request = "\r\n".join(
        (
            "GET /jobs/active HTTP/1.1",
            f"Host: 127.0.0.1:{product.port}",
            f"Cookie: {first.cookie}",
            "HX-Request: true",
            "\r\n",
        )
    )
    first.close()
    address = ("127.0.0.1", product.port)
    browsers = [_Polling(address, request.encode(), n / BROWSERS) for n in range(BROWSERS)]
    stop = threading.Event()

    def poll() -> None:
        with selectors.DefaultSelector() as selector:
            for each in browsers:
                selector.register(each.connection, selectors.EVENT_READ, each)
            while not stop.is_set():
                moment = time.monotonic()
                for each in browsers:
                    each.ask(moment)
                for key, _ in selector.select(0.01):
                    polls.extend(key.data.take())

    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(poll)
        try:
            yield
        finally:
            stop.set()
            polling.result()  # raises what went wrong: without polls it would be the other figure
            for each in browsers:
                each.connection.close()


class _Polling:
    """A kept connection on which the same is asked again and again."""

    def __init__(self, address: tuple[str, int], request: bytes, wait: float) -> None:
        """``wait``: seconds until it asks first."""
        self.connection = socket.create_connection(address)
        self._request = request
        self._due = time.monotonic() + wait
        self._sent: float | None = None
        self._answer = b""

    def ask(self, moment: float) -> None:
        """Send the request if it is time and there is none under way."""
        if self._sent is None and moment >= self._due:
            self._sent, self._answer = moment, b""
            self.connection.sendall(self._request)

    def take(self) -> Iterator[float]:
        """Read what is there; the milliseconds the answer took, once it is whole."""
        data = self.connection.recv(1 << 16)
        assert data, "the connection was closed"
        self._answer += data
        head, _, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        assert b"Set-Cookie" not in head, head
        assert self._sent is not None
        moment = time.monotonic()
        yield (moment - self._sent) * 1000
        self._sent, self._due = None, moment + 1
