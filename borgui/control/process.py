"""Control's own process: an RQ worker that runs its calls in order, reconcile between them."""

import logging
import time
from typing import ClassVar

from borgui import queueing
from borgui.config import Config
from borgui.control import calls
from borgui.models import session
from borgui.security import keys as security_keys
from borgui.security.sealing import Sealer

log = logging.getLogger("borgui.control")

RECONCILE_SECONDS = 5
"""A lost job is put back only when several sweeps have missed it, and within 30 seconds."""


class ControlWorker(queueing.InlineWorker):
    """Runs the calls of :mod:`borgui.control.calls`, and nothing else."""

    functions: ClassVar[frozenset[str]] = queueing.CONTROL_CALLS

    _reconciled_at = 0.0

    def tick(self) -> None:
        """Beat; reconcile at start-up and every 5 seconds, whether a scheduler lives or not."""
        calls.beat()
        if time.monotonic() - self._reconciled_at >= RECONCILE_SECONDS:
            calls.reconcile()
            self._reconciled_at = time.monotonic()


def run(config: Config, redis_url: str) -> None:
    """Be control until told to stop."""
    keys = security_keys.load(config)
    session.configure(config.sqlalchemy_url, Sealer(keys))
    connection = queueing.connect(redis_url)
    calls.configure(config, keys, connection)
    ControlWorker([queueing.CONTROL], connection).work(logging_level="WARNING")
