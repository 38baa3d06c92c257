"""gunicorn around the application, run inside a process of ours."""

import os
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.sock import create_sockets
from gunicorn.workers.gthread import ThreadWorker

from borgui.config import Config

THREADS = 16


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

    def is_parent_alive(self) -> bool:
        """Not looked at: a supervisor's children end with it by the kernel's doing."""
        return True


def serving(app: Flask, config: Config) -> Callable[[], None]:
    """What serves until told to stop, to be called in a process of its own.

    Without gunicorn's master, which would only start the worker again, as our supervisor does, and
    takes 10 MiB. A second worker would take 15 to 30 and, with two cores that borg wants too, it
    answered a tenth more requests a second and none of them sooner (measured).
    """
    server = Server(app, config)
    logger = server.cfg.logger_class

    def run() -> None:
        log = logger(server.cfg)
        sockets = create_sockets(server.cfg, log)
        worker = Worker(0, os.getppid(), sockets, server, server.cfg.timeout, server.cfg, log)
        worker.pid = os.getpid()
        worker.init_process()

    return run
