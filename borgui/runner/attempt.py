"""An attempt of a job under way: what its steps may use, what is told of it, and its outcome."""

import os
import time
from contextlib import suppress
from typing import Any, NoReturn

from redis import Redis
from redis.exceptions import RedisError

from borgui import live, queueing
from borgui.borg.display import command_line, printable_path
from borgui.borg.evidence import MAX_WARNINGS, BackupWarning
from borgui.borg.progress import Progress
from borgui.config import Config
from borgui.runner import acts, linking, outcome, process, program, steps, stopping
from borgui.runner.failure import FailedError
from borgui.runner.logfile import JobLog
from borgui.runner.masking import Mask
from borgui.runner.publisher import Publisher
from borgui.runner.runfile import RunFile
from borgui.runner.spec import Spec, Step
from borgui.runner.trying import Trying

STOPPED = {
    "cancelled": (None, "It was cancelled."),
    "time_limit": ("time_limit", "It was ended: it took longer than its time limit."),
    "stopped": outcome.STOPPED,
    "worker_killed": outcome.WORKER_KILLED,
}


class Attempt:
    """The :class:`~borgui.runner.work.Work` of acts, and the :class:`~borgui.runner.steps.Run` of
    programs.

    ``last``, the outcome, is filled in. Without ``file``, which a full disk may have refused, only
    Redis knows the pids.
    """

    def __init__(
        self,
        config: Config,
        redis: Redis,
        publisher: Publisher,
        file: RunFile | None,
        last: dict[str, Any],
    ) -> None:
        self.config = config
        self.job: int = last["job"]
        self.attempt: int = last["attempt"]
        self.grace = 10.0
        self.log = JobLog(config.logs / f"{self.job}.log", self._hide)
        self._redis = redis
        self._publisher = publisher
        self._file = file
        self._outcome = last
        self._mask = Mask(())
        self._deadline: float | None = None
        self._untold: dict[str, Any] | None = None
        self._is_told = False
        """Whether a person who cancelled it is to read what was done until then."""

    def _hide(self, text: str) -> str:
        """By the mask that is known by then: the log begins before the spec is open."""
        return self._mask(text)

    # --- as its horse goes on ---------------------------------------------------------------------

    def begin(self, spec: Spec) -> None:
        """Heed what the spec says of the whole job, and tell that it runs."""
        secrets = {*spec.secrets, *(word for step in spec.steps for word in step.passphrases)}
        self._mask = Mask(secrets)
        self.grace = spec.cancel_grace
        if spec.time_limit is not None:
            self._deadline = time.monotonic() + spec.time_limit
        self._publisher.follow(self.log)
        self._publisher.set(
            attempt=self.attempt, status="running", outcome=None, horse_pid=os.getpid()
        )

    def run_step(self, step: Step) -> None:
        """Do what the step is. Raises FailedError when the job cannot go on."""
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

    def fail(self, failed: FailedError) -> None:
        """Put down why it could not go on."""
        is_cancelled = self._outcome.pop("stopped", None) == "cancelled"
        self._outcome["status"] = "cancelled" if is_cancelled else "failed"
        self._outcome["error_code"] = None if is_cancelled else failed.code
        is_silent = is_cancelled and not self._is_told
        self._outcome["error_message"] = None if is_silent else self._mask(failed.message)
        self._outcome["retryable"] = failed.retryable
        self.log.line(failed.message)

    def close(self) -> None:
        """Close the log; with it the outcome is whole."""
        if self.log.problem is not None:
            self._outcome["notes"].append(f"The log file is not whole: {self.log.problem}.")
        self.log.close()
        self._outcome |= {
            "completed_at": live.timestamp(),
            "log": self.log.capped.text(),
            "log_size": self.log.end,
            "log_truncated": self.log.capped.truncated,
        }

    # --- a program --------------------------------------------------------------------------------

    def run_program(self, step: Step, reader: steps.Reader | None = None) -> steps.Ended:
        """Run the step's program to its end; see :class:`~borgui.runner.work.Work`."""
        argv = [self._locate(step.program), *step.argv]
        env = program.base_environment(self.config) | step.env
        with linking.reachable(self.config, env) as (env, leads_to):
            self._outcome["steps"].append(step.name)
            self._publisher.set(step=step.name)
            command = self._mask(command_line(step.program, step.argv, env, leads_to=leads_to))
            earlier = self._outcome["command"]
            self._outcome["command"] = f"{earlier}\n{command}" if earlier else command
            self.log.line(f"$ {command}")
            return Trying(self, self._outcome, step, argv, env, reader).run()

    def _locate(self, name: str) -> str:
        try:
            return program.find(self.config).path if name == "borg" else program.locate(name)
        except program.BorgMissingError as error:
            raise FailedError("program_missing", str(error)) from error

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
        if self._file is not None:
            with suppress(OSError):  # the lock is held; Redis has the pid too
                self._file.write(
                    borg_pid=identity.pid, borg_start=identity.start, start_time=start_time
                )
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
        numbers = progress.as_numbers()
        self._outcome["progress"] = numbers
        self._publisher.set(**numbers)
        if self._publisher.flush() and self._untold is not None:
            self._tell_started()

    def tell(self, **facts: object) -> None:
        """Publish fields of the live hash that are the kind's own, at once."""
        self._publisher.set(**facts)
        self._publisher.flush(now=True)

    # --- when it must end -------------------------------------------------------------------------

    def stop_reason(self) -> str | None:
        """Why the job must end now, if it must."""
        if (stop := stopping.reason()) is not None:
            return stop
        if self._publisher.cancelled:
            return "cancelled"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "time_limit"
        return None

    def check_stop(self, said: str = "") -> None:
        """Raise FailedError when the job must end now."""
        reason = self.stop_reason()
        if reason is not None:
            self._stop(reason, said)

    def _stop(self, reason: str, said: str) -> NoReturn:
        code, message = STOPPED[reason]
        self._outcome["stopped"] = reason
        self._is_told = bool(said)
        raise FailedError(code or reason, f"{message} {said}".strip())

    # --- what came of it --------------------------------------------------------------------------

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

    def _masked(self, warning: dict[str, str | None]) -> dict[str, str | None]:
        return {name: text and self._mask(text) for name, text in warning.items()}

    def _quoted(self, detail: str | None) -> str | None:
        return f"borg says: {self._mask(detail)[:1000]}" if detail else None
