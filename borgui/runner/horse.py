"""A horse: the process that runs one job, from its sealed spec to its outcome.

RQ calls :func:`run_job` in a fork of the worker. Whatever happens, the outcome is on disk, or in
Redis, before the process ends; only a SIGKILL leaves that to the machine's supervisor.
"""

import os
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from redis.exceptions import RedisError

from borgui import live, queueing
from borgui.borg import commands
from borgui.borg.causes import CACHE_LOCKED
from borgui.borg.display import IN_DETAIL, command_line, printable_path
from borgui.borg.evidence import MAX_WARNINGS, BackupWarning
from borgui.borg.progress import Progress
from borgui.roots import is_inside
from borgui.runner import (
    acts,
    context,
    leaving,
    locks,
    outcome,
    process,
    program,
    runfile,
    steps,
    stopping,
)
from borgui.runner.failure import FailedError
from borgui.runner.logfile import JobLog
from borgui.runner.masking import Mask
from borgui.runner.publisher import Publisher
from borgui.runner.spec import Spec, SpecError, Step
from borgui.security.sealing import SealError, open_spec

REDIS_PATIENCE = 30.0
"""Seconds that a Redis which is away is waited for before a job is begun."""

STOPPED = {
    "cancelled": (None, "It was cancelled."),
    "time_limit": ("time_limit", "It was ended: it took longer than its time limit."),
    "stopped": outcome.STOPPED,
    "worker_killed": outcome.WORKER_KILLED,
}


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
        os._exit(1)


class Horse:
    """One attempt of one job under way: its steps' :class:`~borgui.runner.steps.Run` and
    :class:`~borgui.runner.acts.Work`."""

    def __init__(self, given: context.Context, job: int, attempt: int) -> None:
        self.log: JobLog
        self.grace = 10.0
        self._given = given
        self.config = given.config
        self.job = job
        self.attempt = attempt
        self._file: runfile.RunFile | None = None
        self._redis = given.connect()
        self._publisher = Publisher(self._redis, job, attempt)
        self._mask = Mask(())
        self._problem: str | None = None
        self._reader: steps.Reader | None = None
        self._spec: Spec | None = None
        self._deadline: float | None = None
        self._untold: dict[str, Any] | None = None
        self._told = False
        """Whether a person who cancelled it is to read what was done until then."""
        self._outcome = outcome.new(
            job, attempt, given.config.machine, started_at=live.timestamp(), steps=[]
        )

    # --- before -----------------------------------------------------------------------------------

    def take(self) -> bool:
        """Take the job for this process; False when this attempt is not to be run (any more).

        Raises :class:`~borgui.runner.runfile.AlreadyRunningError`.
        """
        try:
            self._file = runfile.RunFile(self.config.run, self.job)
            self._end_orphan(self._file.before)
            self._record(horse_pid=os.getpid(), started_at=self._outcome["started_at"])
        except OSError as error:
            self._problem = f"The data folder cannot be written: {error.strerror}."
        newest = self._announced()
        kept = outcome.read(self.config.run, self.job)
        if kept is not None and kept.get("attempt") == self.attempt:
            self._drop("it has run already")
            return False
        if newest is not None and newest > self.attempt:
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
            process.log.warning("job %s: ending the orphaned process %s", self.job, orphan.pid)
            process.end(orphan, self.grace)

    def _drop(self, reason: str) -> None:
        process.log.warning("job %s, attempt %s refused: %s", self.job, self.attempt, reason)
        if self._file is not None:
            self._file.remove()

    def _record(self, **facts: object) -> None:
        if self._file is None:
            return
        horse = process.identify(os.getpid())
        self._file.write(
            attempt=self.attempt,
            horse_start=horse.start if horse else None,
            boot_id=process.boot_id(),
            instance=self._given.instance,
            **facts,
        )

    # --- the run ----------------------------------------------------------------------------------

    def run(self, sealed: str) -> None:
        """Run the steps and leave the outcome."""
        path = self.config.logs / f"{self.job}.log"
        self.log = JobLog(path, self._hide)
        try:
            self._open(sealed)
            self._publisher.follow(self.log)
            self._publisher.set(
                attempt=self.attempt, status="running", outcome=None, horse_pid=os.getpid()
            )
            for step in self._steps():
                self._run_step(step)
            self._outcome["status"] = "completed"
        except FailedError as failed:
            self._fail(failed)
        except Exception as error:
            self.log.line(traceback.format_exc())
            message = f"borgui itself failed. {IN_DETAIL} {error!r}"
            self._fail(FailedError("internal_error", message))
        self._leave()

    def _hide(self, text: str) -> str:
        """By the mask that is known by then: the log begins before the spec is open."""
        return self._mask(text)

    def _open(self, sealed: str) -> None:
        if self._problem is not None:
            raise FailedError("data_folder", self._problem, retryable=True)
        machine = self.config.machine
        try:
            raw = open_spec(sealed, self._given.transport, self.job, self.attempt, machine)
            spec = Spec.decode(raw)
        except (SealError, SpecError) as error:
            raise FailedError("spec_refused", str(error)) from error
        self._spec = spec
        secrets = {*spec.secrets, *(word for step in spec.steps for word in step.passphrases)}
        self._mask = Mask(secrets)
        self.grace = spec.cancel_grace
        if spec.time_limit is not None:
            self._deadline = time.monotonic() + spec.time_limit

    def _steps(self) -> Iterator[Step]:
        if self._spec is None:
            return
        for step in self._spec.steps:
            self.check_stop()
            yield step

    def _run_step(self, step: Step) -> None:
        act = acts.act_of(step.name)
        if act is not None:
            act(self, step)
            return
        try:
            ended = self.run_program(step)
            self.note(ended)
            if ended.answer is not None:
                self._outcome["result"][step.name] = ended.answer
            self.conclude(ended)
        except FailedError as failed:
            if not step.may_fail or "stopped" in self._outcome:
                raise
            self.warn(failed.message)

    def run_program(self, step: Step, reader: steps.Reader | None = None) -> steps.Ended:
        """Run the step's program to its end; see :class:`~borgui.runner.acts.Work`."""
        argv = [self._program(step), *step.argv]
        env = program.base_environment(self.config) | step.env
        self._outcome["steps"].append(step.name)
        self._publisher.set(step=step.name)
        command = command_line(step.program, step.argv, env)
        earlier = self._outcome["command"]
        command = self._mask(command)
        self._outcome["command"] = f"{earlier}\n{command}" if earlier else command
        self.log.line(f"$ {command}")
        self._reader = reader
        ended = self._try_passphrases(step, argv, env)
        if ended.verdict.error_code == "lock_timeout" and ended.stopped is None:
            ended = self._after_lock(step, argv, env, ended)
        return ended

    def _program(self, step: Step) -> str:
        try:
            if step.program == "borg":
                return program.find(self.config).path
            return program.locate(step.program)
        except program.BorgMissingError as error:
            raise FailedError("program_missing", str(error)) from error

    def _try_passphrases(self, step: Step, argv: list[str], env: dict[str, str]) -> steps.Ended:
        candidates: tuple[str | None, ...] = step.passphrases or (None,)
        for index, secret in enumerate(candidates):
            if index:
                self.log.line("The passphrase was wrong; trying the other one that is kept.")
            ended = self._start(step, argv, env, secret)
            if ended.verdict.error_code != "passphrase_wrong" or ended.stopped is not None:
                break
        if len(candidates) > 1:
            self._outcome["result"]["passphrase_index"] = index
        return ended

    def _start(
        self, step: Step, argv: list[str], env: dict[str, str], secret: str | None
    ) -> steps.Ended:
        began = time.monotonic()
        try:
            ended = steps.run(self, step, argv, env, secret, self._reader)
        except process.StartError as error:
            raise FailedError("program_missing", str(error)) from error
        seconds = time.monotonic() - began
        self.log.line(f"Ended with exit code {ended.exit_code} after {seconds:.1f} s.")
        return ended

    # --- what the steps call ----------------------------------------------------------------------

    def stop_reason(self) -> str | None:
        """Why the job must end now, if it must."""
        if (stop := stopping.reason()) is not None:
            return stop
        if self._publisher.cancelled:
            return "cancelled"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "time_limit"
        return None

    def began(self, child: process.Child) -> None:
        """Tell everyone that borg runs: first control, which has a person waiting."""
        identity = child.identity
        is_first = self._outcome["borg_pid"] is None
        start_time = identity.started_at
        self._outcome |= {"borg_pid": identity.pid, "borg_start_time": start_time}
        if is_first:
            self._untold = {
                "pid": identity.pid,
                "start_time": start_time,
                "started_at": self._outcome["started_at"],
                "command": self._outcome["command"],
            }
        self._publisher.set(pid=identity.pid, start_time=start_time)
        self._tell_started()
        with suppress(OSError):  # the lock is held; Redis has the pid too
            self._record(borg_pid=identity.pid, borg_start=identity.start, start_time=start_time)
        self._publisher.flush(now=True)

    def _tell_started(self) -> None:
        if self._untold is None:
            return
        try:
            queueing.enqueue_control(
                self._redis, queueing.STARTED, self.job, self.attempt, self._untold
            )
        except RedisError as error:
            process.log.warning("job %s: control is not told yet: %s", self.job, error)
        else:
            self._untold = None

    def progress(self, progress: Progress) -> None:
        """Publish the state, at most twice a second."""
        self._outcome["progress"] = progress.as_numbers()
        self._publisher.set(**progress.as_numbers())
        if self._publisher.flush() and self._untold is not None:
            self._tell_started()

    def tell(self, **facts: object) -> None:
        """Publish fields of the live hash that are the kind's own, at once."""
        self._publisher.set(**facts)
        self._publisher.flush(now=True)

    # --- a lock in the way ------------------------------------------------------------------------

    def _after_lock(
        self, step: Step, argv: list[str], env: dict[str, str], ended: steps.Ended
    ) -> steps.Ended:
        """Once more without a lock that nobody alive holds; else say who holds it.

        The lane is ours, so no other job of this machine is in the repository, or in borg's cache
        of it.
        """
        if step.program != "borg":
            return ended
        place = locks.place_in(ended.verdict.detail or "")
        is_cache = place is not None and is_inside(place, [env["BORG_CACHE_DIR"]])
        if not is_cache:
            place = step.local_repository
        owners = [] if place is None else locks.owners(Path(place))
        if place is None or not owners:
            return ended
        names = ", ".join(f"process {owner.pid} on {owner.host}" for owner in owners)
        if not all(owner.is_dead(env["BORG_HOST_ID"], argv[0]) for owner in owners):
            message = CACHE_LOCKED if is_cache else ended.verdict.error_message
            raise FailedError("lock_timeout", f"{message} It is held by {names}.", retryable=True)
        what = "stale lock of borg's cache" if is_cache else "stale lock of this machine"
        note = f"A {what} was removed ({names}, which is no longer running)."
        self.log.line(note)
        self._outcome["notes"].append(note)
        if is_cache:
            locks.remove(Path(place))  # borg's own command would break the repository's lock too
        else:
            self._start(_breaking(step), [argv[0], *commands.break_lock()], env, None)
        return self._try_passphrases(step, argv, env)

    # --- after ------------------------------------------------------------------------------------

    def answer(self, step: Step) -> dict[str, Any]:
        """The step's part of the outcome's ``result``; kept whatever happens afterwards."""
        answer: dict[str, Any] = self._outcome["result"].setdefault(step.name, {})
        return answer

    def note(self, ended: steps.Ended) -> None:
        """Keep exit code, warnings and progress of a run for the outcome."""
        verdict = ended.verdict
        self._outcome["progress"] = ended.progress.as_numbers()
        self._outcome["exit_code"] = ended.exit_code
        self._outcome["warning_count"] += verdict.warning_count
        kept = self._outcome["warnings"]
        room = MAX_WARNINGS - len(kept)
        kept += [self._masked(each.as_json()) for each in verdict.warnings[:room]]
        self._outcome["unread_sources"] += map(printable_path, verdict.unread_sources)

    def warn(self, message: str, path: str | None = None) -> None:
        """Add a warning of our own."""
        warning = BackupWarning(message, None if path is None else printable_path(path))
        self.log.line(f"WARNING: {message}" + (f" {warning.path}" if warning.path else ""))
        self._outcome["warning_count"] += 1
        if len(self._outcome["warnings"]) < MAX_WARNINGS:
            self._outcome["warnings"].append(self._masked(warning.as_json()))

    def conclude(self, ended: steps.Ended, said: str = "") -> None:
        """Raise FailedError unless the run completed; ``said`` is what is true after that."""
        verdict = ended.verdict
        if verdict.status == "completed":
            return  # also where a stop came too late to change anything
        if ended.stopped in STOPPED:
            self._stop(ended.stopped, said)
        message = " ".join(
            filter(None, (verdict.error_message, said, self._quoted(verdict.detail)))
        )
        raise FailedError(verdict.error_code or "failed", message, retryable=verdict.retryable)

    def check_stop(self, said: str = "") -> None:
        """Raise FailedError when the job must end now."""
        reason = self.stop_reason()
        if reason is not None:
            self._stop(reason, said)

    def _masked(self, warning: dict[str, str | None]) -> dict[str, str | None]:
        return {name: text and self._mask(text) for name, text in warning.items()}

    def _quoted(self, detail: str | None) -> str | None:
        return f"borg says: {self._mask(detail)[:1000]}" if detail else None

    def _stop(self, reason: str, said: str = "") -> NoReturn:
        code, message = STOPPED[reason]
        self._outcome["stopped"] = reason
        self._told = bool(said)
        raise FailedError(code or reason, f"{message} {said}".strip())

    def _fail(self, failed: FailedError) -> None:
        is_cancelled = self._outcome.pop("stopped", None) == "cancelled"
        self._outcome["status"] = "cancelled" if is_cancelled else "failed"
        self._outcome["error_code"] = None if is_cancelled else failed.code
        is_silent = is_cancelled and not self._told
        self._outcome["error_message"] = None if is_silent else self._mask(failed.message)
        self._outcome["retryable"] = failed.retryable
        self.log.line(failed.message)

    def _leave(self) -> None:
        """The outcome to where control finds it, then the lock."""
        if self.log.problem is not None:
            self._outcome["notes"].append(f"The log file is not whole: {self.log.problem}.")
        self.log.close()
        self._outcome |= {
            "completed_at": live.timestamp(),
            "log": self.log.capped.text(),
            "log_size": self.log.end,
            "log_truncated": self.log.capped.truncated,
        }
        leaving.leave(self.config, self._redis, self._publisher, self._outcome)
        if self._file is not None:
            self._file.remove()


def _breaking(step: Step) -> Step:
    return Step(
        name="break_lock", program=step.program, argv=tuple(commands.break_lock()), env=step.env
    )
