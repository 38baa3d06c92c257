"""Web and control are forked anew after a rest, and nobody who comes meanwhile notices."""

import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.faults.havoc import child, children, kill
from tests.integration.product import Product

REST = 0.5
START = f"""
import sys
from borgui import __main__, processes
processes.REST_SECONDS = {REST}
sys.exit(__main__.main())
"""
"""As ``python -m borgui``, with a rest that a test can wait for."""


@pytest.fixture(scope="module")
def resting() -> Iterator[Product]:
    folder = Path(tempfile.mkdtemp(prefix="borgui-rest-"))
    product = Product(folder / "data", program=("-c", START)).start()
    yield product
    product.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_who_never_worked_is_not_renewed(resting: Product) -> None:
    """A monitor that asks for /health is no work."""
    before = {child(resting, role).pid for role in ("web", "control")}
    for _ in range(8):
        assert resting.get("/health").status == 200
        time.sleep(REST)
    assert {child(resting, role).pid for role in ("web", "control")} == before


def test_requests_around_the_end_of_a_rest_are_answered(resting: Product) -> None:
    """They come at ever other moments: before it, at its end, while one process follows."""
    resting.sign_in()
    seen: set[int] = set()
    for number in range(12):
        assert resting.get("/api/repositories").status == 200
        seen |= {each.pid for each in children(resting, "web")}
        time.sleep(REST + number * 0.1)
    assert len(seen) >= 3
    assert "started again" not in resting.said


def test_who_comes_between_two_web_processes_waits(resting: Product) -> None:
    for _ in range(3):
        before = child(resting, "web")
        assert resting.get("/login").status == 200
        _wait_gone(before)
        with socket.create_connection(("127.0.0.1", resting.port), timeout=10) as caller:
            caller.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert caller.recv(100).startswith(b"HTTP/1.1 200")


def _wait_gone(process: psutil.Process) -> None:
    """Until this very moment, or a few milliseconds ago, the process was there."""
    deadline = time.monotonic() + 30
    while _lives(process):
        assert time.monotonic() < deadline, "it did not end"
        time.sleep(0.001)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_control_rests_and_works_again(resting: Product, sources: dict[str, Path]) -> None:
    """Its lanes and what it has to settle are in the database, so the next one takes over."""
    resting.sign_in()
    repository = resting.data_dir.parent / "repository"
    repo_id = resting.add_repository("rested", repository, [sources["small"]])
    for _ in range(2):
        before = child(resting, "control")
        assert resting.wait_job(resting.back_up(repo_id))["status"] == "completed"
        _wait_gone(before)
    assert "started again" not in resting.said


def test_no_program_gets_the_listening_socket(resting: Product) -> None:
    kill(child(resting, "redis"))
    resting.wait_healthy()
    assert child(resting, "redis").net_connections("inet") == []
