"""A horse: the process that runs one job, from its sealed spec to its outcome.

RQ calls :func:`run_job` in a fork of the worker. Whatever happens, the outcome is on disk, or in
Redis, before the process ends; only a SIGKILL leaves that to the machine's supervisor.
"""

import os
import time
import traceback
from typing import Any

from borgui import live
from borgui.borg.display import IN_DETAIL
from borgui.runner import context, leaving, outcome, pids, process, runfile, stopping
from borgui.runner.attempt import Attempt
from borgui.runner.failure import FailedError
from borgui.runner.publisher import Publisher
from borgui.runner.spec import Spec, SpecError
from borgui.security.sealing import SealError, open_spec

REDIS_PATIENCE = 30.0
"""Seconds that a Redis which is away is waited for before a job is begun."""


def run_job(job: int, attempt: int, sealed: str) -> None:
    """Run an attempt of a job. Leaves by ``os._exit`` when it was made to stop."""
    horse = Horse(context.get(), int(job), int(attempt))
    try:
        was_run = horse.take()
    except runfile.AlreadyRunningError as error:
        process.log.warning("attempt %s refused: job %s", attempt, error)
        return
    if was_run:
        horse.run(sealed)
    if stopping.reason():
        # RQ's own ending talks to Redis, and its worker may be dead already.
        os._exit(stopping.EXIT_CODE)


class Horse:
    """Takes one attempt of one job, runs it and leaves its outcome."""

    def __init__(self, given: context.Context, job: int, attempt: int) -> None:
        self._given = given
        self._config = given.config
        self._job = job
        self._attempt = attempt
        self._file: runfile.RunFile | None = None
        self._redis = given.connect()
        self._publisher = Publisher(self._redis, job, attempt)
        self._problem: str | None = None
        self._outcome = outcome.new(
            job, attempt, given.config.machine, started_at=live.timestamp(), steps=[]
        )

    # --- taking it --------------------------------------------------------------------------------

    def take(self) -> bool:
        """Take the job for this process; False when this attempt is not to be run (any more).

        Raises :class:`~borgui.runner.runfile.AlreadyRunningError`.
        """
        try:
            self._file = runfile.RunFile(self._config.run, self._job)
            self._end_orphan(self._file.before)
            self._record(self._file)
        except OSError as error:
            self._problem = f"The data folder cannot be written: {error.strerror}."
        newest = self._announced()
        kept = outcome.read(self._config.run, self._job)
        if kept is not None and kept.get("attempt") == self._attempt:
            self._drop("it has run already")
            return False
        if newest is not None and newest > self._attempt:
            self._drop(f"attempt {newest} follows it")
            return False
        return True

    def _announced(self) -> int | None:
        """The attempt that counts. Only Redis knows of a later one, so it is waited for a while
        where it is away; then the job is run, since a lost Redis must not lose it."""
        until = time.monotonic() + REDIS_PATIENCE
        newest = self._publisher.take_over()
        while self._publisher.is_away and time.monotonic() < until and not stopping.reason():
            time.sleep(0.5)
            newest = self._publisher.take_over()
        return newest

    def _end_orphan(self, before: dict[str, Any]) -> None:
        """A horse killed before us may have left its borg, if the supervisor has not ended it."""
        orphan = runfile.borg_of(before)
        if orphan is not None and orphan.is_alive():
            process.log.warning("job %s: ending the orphaned process %s", self._job, orphan.pid)
            pids.end(orphan, runfile.ORPHAN_GRACE)

    def _drop(self, reason: str) -> None:
        process.log.warning("job %s, attempt %s refused: %s", self._job, self._attempt, reason)
        if self._file is not None:
            self._file.remove()

    def _record(self, file: runfile.RunFile) -> None:
        horse = pids.identify(os.getpid())
        file.write(
            attempt=self._attempt,
            horse_start=horse.start if horse else None,
            boot_id=pids.boot_id(),
            instance=self._given.instance,
            horse_pid=os.getpid(),
            started_at=self._outcome["started_at"],
        )

    # --- running it -------------------------------------------------------------------------------

    def run(self, sealed: str) -> None:
        """Run the steps and leave the outcome."""
        attempt = Attempt(self._config, self._redis, self._publisher, self._file, self._outcome)
        try:
            spec = self._open(sealed)
            attempt.begin(spec)
            for step in spec.steps:
                attempt.check_stop()
                attempt.run_step(step)
            self._outcome["status"] = "completed"
        except FailedError as failed:
            attempt.fail(failed)
        except Exception as error:
            attempt.log.line(traceback.format_exc())
            message = f"borgui itself failed. {IN_DETAIL} {error!r}"
            attempt.fail(FailedError("internal_error", message))
        attempt.close()
        leaving.leave(self._config, self._redis, self._publisher, self._outcome)
        if self._file is not None:
            self._file.remove()

    def _open(self, sealed: str) -> Spec:
        if self._problem is not None:
            raise FailedError("data_folder", self._problem, retryable=True)
        machine, transport = self._config.machine, self._given.transport
        try:
            return Spec.decode(open_spec(sealed, transport, self._job, self._attempt, machine))
        except (SealError, SpecError) as error:
            raise FailedError("spec_refused", str(error)) from error
