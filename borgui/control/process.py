"""Control's own process: an RQ worker that runs its calls in order, reconcile between them."""

import logging
import time
from typing import ClassVar

from rq.job import Job
from rq.queue import Queue

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

    rest: float | None = None
    """Seconds without a call after which it stops by itself, if it has had one at all."""
    has_rested = False

    _reconciled_at = 0.0
    _called_at: float | None = None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a call, and remember when."""
        self._called_at = time.monotonic()
        super().execute_job(job, queue)

    def tick(self) -> None:
        """Beat; reconcile at start-up and every 5 seconds, whether a scheduler lives or not."""
        calls.beat()
        if time.monotonic() - self._reconciled_at >= RECONCILE_SECONDS:
            calls.reconcile()
            self._reconciled_at = time.monotonic()
        if self.rest is not None and self._called_at is not None:
            self.has_rested = time.monotonic() - self._called_at > self.rest
            self._stop_requested |= self.has_rested


def run(config: Config, redis_url: str, rest: float | None = None) -> bool:
    """Be control until told to stop, or for ``rest`` seconds without a call: returns True then."""
    keys = security_keys.load(config)
    session.configure(config.sqlalchemy_url, Sealer(keys))
    connection = queueing.connect(redis_url)
    calls.configure(config, keys, connection)
    worker = ControlWorker([queueing.CONTROL], connection)
    worker.rest = rest
    worker.work(logging_level="WARNING")
    return worker.has_rested
