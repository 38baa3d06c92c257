"""gunicorn around the application, run inside a process of ours."""

import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.sock import create_sockets
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from borgui.config import Config

THREADS = 16
HEALTH = "/health"
"""Asked by monitors all the time, and by no person."""


class Server(BaseApplication):  # type: ignore[misc]
    """Serves an application that is made already, so that its memory is shared."""

    def __init__(self, app: Flask, config: Config) -> None:
        self._app = app
        self._config = config
        super().__init__()

    def load_config(self) -> None:
        """Our settings. No forwarding header is believed here: ProxyFix does that, if asked to."""
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        settings: dict[str, Any] = {
            "bind": f"{host}:{self._config.port}",
            "threads": THREADS,
            "keepalive": 15,
            "timeout": 60,
            "graceful_timeout": 3,
            "loglevel": "warning",
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
            "forwarder_headers": "",
            "control_socket_disable": True,
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application."""
        return self._app


class Worker(ThreadWorker):  # type: ignore[misc]
    """The one process that answers. Who started it may end before it: it is no master of ours."""

    rest: float | None = None
    """Seconds without a request after which it ends by itself; /health counts for none."""
    has_rested = False

    _asked_at: float | None = None

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection a thread as soon as something has come on it.

        gunicorn gives a new one a thread at once, and that waits for five seconds: sixteen that say
        nothing, as browsers open them in advance, kept everyone else waiting.
        """
        if conn.initialized or conn.data_ready or _has_come(conn.sock):
            conn.data_ready = True
            super().enqueue_req(conn)
            return
        nothing: Future[Any] = Future()
        nothing.set_result(_DEFER)  # as that thread would answer in the end
        self.finish_request(conn, nothing)

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Answer, and remember when."""
        if not req.path.endswith(HEALTH):
            self._asked_at = time.monotonic()
        keep: bool = super().handle_request(req, conn)
        return keep

    def is_parent_alive(self) -> bool:
        """Whether to go on. The parent is not looked at: a supervisor's children end with it by the
        kernel's doing.

        gunicorn asks right after it has taken what came, at least once a second, and accepts
        nothing after a no: a connection that comes later waits for whoever listens next.
        """
        if self.rest is not None and self._asked_at is not None and self.nr_conns == 0:
            self.has_rested = time.monotonic() - self._asked_at > self.rest
        return not self.has_rested


def _has_come(connection: socket.socket) -> bool:
    """Whether a read would not wait: there is something, or the other side has gone."""
    try:
        connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True  # who reads in earnest is told the same
    return True


def serving(app: Flask, config: Config, rest: float | None = None) -> Callable[[], bool]:
    """What serves until told to stop, to be called in a process of its own.

    Without gunicorn's master, which would only start the worker again, as our supervisor does, and
    takes 10 MiB. A second worker would take 15 to 30 and, with two cores that borg wants too, it
    answered a tenth more requests a second and none of them sooner (measured).

    Listens from now on, so that nobody is turned away while one process follows another. ``rest``:
    seconds without a request after which it returns, and then True.
    """
    server = Server(app, config)
    log = server.cfg.logger_class(server.cfg)
    sockets = create_sockets(server.cfg, log)
    for each in sockets:
        each.set_inheritable(False)  # gunicorn would have them pass into the programs we start

    def run() -> bool:
        worker = Worker(0, os.getppid(), sockets, server, server.cfg.timeout, server.cfg, log)
        worker.rest = rest
        worker.pid = os.getpid()
        worker.init_process()
        return worker.has_rested

    return run
