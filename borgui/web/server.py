"""gunicorn around the application, run inside a process of ours."""

import os
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from borgui.config import Config

WORKERS = 1
"""A second one takes 15 MiB idle, 30 in use, and with two cores, which borg wants too, it answered
a tenth more requests a second and none of them sooner (measured)."""
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
            "workers": WORKERS,
            "threads": THREADS,
            "worker_class": "gthread",
            "preload_app": True,
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


def run(app: Flask, config: Config) -> None:
    """Serve until told to stop."""
    Server(app, config).run()
