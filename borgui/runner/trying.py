"""Starts a step's program, and once more where another passphrase may open the repository, or
where a lock was in the way that nobody alive holds."""

import time
from pathlib import Path
from typing import Any

from borgui.borg import commands
from borgui.borg.causes import CACHE_LOCKED
from borgui.roots import is_inside
from borgui.runner import locks, process, steps
from borgui.runner.failure import FailedError
from borgui.runner.spec import Step


class Trying:
    """One step's program. ``last``, the outcome, gets what a person should know of it."""

    def __init__(
        self,
        job: steps.Run,
        last: dict[str, Any],
        step: Step,
        argv: list[str],
        env: dict[str, str],
        reader: steps.Reader | None,
    ) -> None:
        self._job = job
        self._outcome = last
        self._step = step
        self._argv = argv
        self._env = env
        self._reader = reader

    def run(self) -> steps.Ended:
        """How it ended the last time. Raises FailedError where it cannot be started, or somebody
        alive holds the lock."""
        ended = self._try_passphrases()
        if ended.verdict.error_code == "lock_timeout" and ended.stopped is None:
            ended = self._after_lock(ended)
        return ended

    def _try_passphrases(self) -> steps.Ended:
        candidates: tuple[str | None, ...] = self._step.passphrases or (None,)
        for index, secret in enumerate(candidates):
            if index:
                self._job.log.line("The passphrase was wrong; trying the other one that is kept.")
            ended = self._start(self._step, self._argv, secret)
            if ended.verdict.error_code != "passphrase_wrong" or ended.stopped is not None:
                break
        if len(candidates) > 1:
            self._outcome["result"]["passphrase_index"] = index
        return ended

    def _start(self, step: Step, argv: list[str], secret: str | None) -> steps.Ended:
        began = time.monotonic()
        try:
            ended = steps.run(self._job, step, argv, self._env, secret, self._reader)
        except process.StartError as error:
            raise FailedError("program_missing", str(error)) from error
        seconds = time.monotonic() - began
        self._job.log.line(f"Ended with exit code {ended.exit_code} after {seconds:.1f} s.")
        return ended

    def _after_lock(self, ended: steps.Ended) -> steps.Ended:
        """Once more without a lock that nobody alive holds; else say who holds it.

        The lane is ours, so no other job of this machine is in the repository, or in borg's cache
        of it.
        """
        if self._step.program != "borg":
            return ended
        place = locks.place_in(ended.verdict.detail or "")
        is_cache = place is not None and is_inside(place, [self._env["BORG_CACHE_DIR"]])
        if not is_cache:
            place = self._step.local_repository
        owners = [] if place is None else locks.owners(Path(place))
        if place is None or not owners:
            return ended
        names = ", ".join(dict.fromkeys(f"process {owner.pid} on {owner.host}" for owner in owners))
        if not all(owner.is_dead(self._env["BORG_HOST_ID"], self._argv[0]) for owner in owners):
            message = CACHE_LOCKED if is_cache else ended.verdict.error_message
            raise FailedError("lock_timeout", f"{message} It is held by {names}.", retryable=True)
        what = "stale lock of borg's cache" if is_cache else "stale lock of this machine"
        note = f"A {what} was removed ({names}, which is no longer running)."
        self._job.log.line(note)
        self._outcome["notes"].append(note)
        if is_cache:
            locks.remove(Path(place))  # borg's own command would break the repository's lock too
        else:
            self._break_lock()
        return self._try_passphrases()

    def _break_lock(self) -> None:
        argv = tuple(commands.break_lock())
        step = Step("break_lock", self._step.program, argv, self._step.env)
        self._start(step, [self._argv[0], *argv], None)
