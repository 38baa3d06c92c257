"""Connections as strangers and browsers open them: what comes late on one, or never, harms no other
one."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from borgui.web.server import THREADS
from tests.integration.product import Product, running

HEALTH = b"GET /health HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("product")) as product:
        yield product


def connect(product: Product) -> socket.socket:
    return socket.create_connection(("127.0.0.1", product.port), timeout=10)


def web(product: Product) -> int:
    """The pid of the process that answers."""
    return next(each.pid for each in product.tree() if "borgui web" in each.name())


def answer(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as file:
        return file.readline()


def test_silent_connections_keep_nobody_waiting(product: Product) -> None:
    with contextlib.ExitStack() as silent:
        for _ in range(4 * THREADS):
            silent.enter_context(connect(product))
        began = time.monotonic()
        assert product.get("/health").status == 200
        # Were each of them given a thread, it would be five seconds.
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("pieces", [[HEALTH], [HEALTH[:10], HEALTH[10:]]])
def test_what_comes_late_on_a_connection_is_answered(product: Product, pieces: list[bytes]) -> None:
    with connect(product) as connection:
        for piece in pieces:
            time.sleep(0.3)  # by then it has been accepted, and nothing was there
            connection.sendall(piece)
        assert answer(connection).startswith(b"HTTP/1.1 200")


def test_a_connection_that_is_reset_at_once_ends_nothing(product: Product) -> None:
    pid = web(product)
    for _ in range(50):
        with connect(product) as connection:
            # Closed so, it is reset: the server reads ECONNRESET where it has not accepted it yet.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert product.get("/health").status == 200
    assert web(product) == pid
