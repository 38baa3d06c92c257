"""The whole product started, stopped and started again, once and twice at a time."""

import contextlib
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.faults.havoc import Place, at_work, child, children, gone, kill, settled
from tests.integration.product import Product, wait_for


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that these tests start and stop as they like."""
    folder = Path(tempfile.mkdtemp(prefix="borgui-supervisor-"))
    product = Product(folder / "data")
    yield product
    if product.process is not None and product.process.poll() is None:
        product.kill_all()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def started(own: Product) -> Product:
    if own.process is None or own.process.poll() is not None:
        own.start()
    if own.token is None:
        own.sign_in()
    return own


@pytest.fixture(scope="module")
def place(
    own: Product, sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Place:
    """Its backup takes ten seconds and more."""
    if own.process is None:
        own.start().sign_in()
    path = tmp_path_factory.mktemp("supervised") / "repository"
    repo_id = own.add_repository("large", path, [sources["large"]], compression="lzma,9")
    return Place(own, repo_id, path)


@contextlib.contextmanager
def following(product: Product, job: int) -> Iterator[socket.socket]:
    """Somebody's browser follows the job's log: an answer that does not end."""
    with socket.create_connection(("127.0.0.1", product.port), timeout=10) as reader:
        request = (
            f"GET /api/jobs/{job}/log?follow=true HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {product.token}\r\n\r\n"
        )
        reader.sendall(request.encode())
        assert reader.recv(100).startswith(b"HTTP/1.1 200")
        yield reader


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_order(started: Product, place: Place, number: signal.Signals) -> None:
    """Ctrl-C ends every child within seconds, borg included, and says so by the exit code."""
    job = place.back_up()
    borg = at_work(place, job)
    everything = started.tree()
    said_before = len(started.said)
    with following(started, job):
        began = time.monotonic()
        assert started.stop(number) == 0
        assert time.monotonic() - began < 10
    for each in (*everything, borg):
        gone(each, 1)
    assert not (place.path / "lock.exclusive").exists()
    assert started.said[said_before:] == ""
    started.start()
    ended = settled(started, job)
    assert ended["status"] == "failed"
    assert ended["error_message"]
    assert place.archives() == []


def test_started_anew_right_after_the_supervisors_death(started: Product, place: Place) -> None:
    """Its children need a moment to end: borg, and a log that somebody follows."""
    job = place.back_up()
    at_work(place, job)
    with following(started, job):
        everything = started.tree()
        kill(everything[0])
        assert started.process is not None
        started.process.wait(5)
        started.output.close()
        started.start()
    for each in everything:
        gone(each, 1)
    assert settled(started, job)["status"] == "failed"


def test_two_on_one_data_folder(started: Product) -> None:
    """The second is refused in one sentence, and the first is none the worse."""
    assert started.process is not None
    second = Product(started.data_dir, command=("up",))
    said_before = len(started.said)
    second.start(ready=False)
    assert second.process is not None
    assert second.process.wait(20) == 1
    second.output.close()
    said = started.said[said_before:]
    assert f"is running already on {started.data_dir} (process {started.process.pid})" in said
    assert "BORGUI_DATA_DIR" in said
    assert "Traceback" not in said
    assert started.get("/health").status == 200


def test_what_dies_again_and_again_is_started_ever_later(started: Product) -> None:
    said_before = len(started.said)
    for _ in range(3):
        kill(child(started, "scheduler"))
        wait_for(lambda: bool(children(started, "scheduler")), 10, "no new scheduler")
    said = started.said[said_before:]
    for delay in ("0.5", "1", "2"):
        assert f"scheduler was ended by SIGKILL; it is started again in {delay} s" in said


def test_redis_with_an_unreadable_file_starts_empty(started: Product) -> None:
    """Redis may be lost: a file that was cut or damaged keeps nobody from working."""
    started.stop()
    folder = started.data_dir / "redis" / "appendonlydir"
    for file in folder.glob("*.aof"):
        file.write_bytes(b"*3\r\n$3\r\nSET\r\n" + b"\xff" * 300)
    started.start()
    started.wait_healthy()
    assert "could not read its file" in started.said
    assert (started.data_dir / "redis" / "appendonlydir.unreadable").is_dir()


def test_a_report_that_fails_ends_nobody(started: Product, place: Place) -> None:
    """The supervisor reports for its machine; what it cannot read there is no reason to stop."""
    folder = started.data_dir / "run" / "999999.outcome.json"
    folder.mkdir()
    try:
        wait_for(lambda: "machine's report failed" in started.said, 15, "it did not fail")
        assert started.process is not None
        assert started.process.poll() is None
        assert started.get("/health").status in {200, 503}
    finally:
        folder.rmdir()
    started.wait_healthy()
