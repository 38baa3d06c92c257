"""A machine's word to control: what lives here, what has ended, which borg there is.

The supervisor calls :meth:`Reporter.publish` every few seconds in its own loop; nothing here
waits longer than Redis's socket time-out of a second.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from borgui import live, queueing
from borgui.borg.progress import Progress
from borgui.config import Config
from borgui.runner import fuse, outcome, pids, process, program, runfile, staging
from borgui.runner.logfile import JobLog

RESEND_SECONDS = 5.0
"""An outcome that control has not settled for so long is announced again."""
TIDY_SECONDS = 0.2
"""How long, in each round, a killed restore's staging folder is being removed."""
TIDY_AGAIN_SECONDS = 300.0
"""Pause before a staging folder is tried again that could not be removed."""
ASK_AGAIN_SECONDS = 30.0
"""Pause between two looks for a borg that could not be used."""

FUSE_AFTER_SECONDS = 20.0
"""Pause before borg is asked whether it can mount: a start has more to do."""
FUSE_AGAIN_SECONDS = 300.0
"""Pause before it is asked again, where it could not."""


class Reporter:
    """Reports for one machine. ``workers`` says how many jobs it can run at once now."""

    def __init__(
        self, config: Config, redis_url: str, instance: str, workers: Callable[[], int]
    ) -> None:
        self._config = config
        self._redis: Redis = live.connect(redis_url)
        self._queue: Redis = queueing.connect(redis_url, timeout=1)
        self._instance = instance
        self._workers = workers
        self._boot_id = pids.boot_id()
        self._ending: dict[int, float] = {}
        self._sent: dict[tuple[int, int], float] = {}
        self._tidying: dict[Path, Iterator[None]] = {}
        self._tidy_at: dict[Path, float] = {}
        self._borg: tuple[str | None, str | None] = (None, None)
        self._ask_at = 0.0
        self._no_fuse: str | None = None
        self._fuse_at: float | None = time.monotonic() + FUSE_AFTER_SECONDS
        self._is_away = False

    def publish(self) -> bool:
        """Settle what is dead, report, and repeat what was not heard; whether Redis took it."""
        # Looked for first: one made by a horse that begins meanwhile is not among them.
        left, mounts = staging.markers(self._config.run), fuse.left(self._config.mounts)
        living = self._living()
        self._tidy(left, {each["job"] for each in living})
        self._unmount(mounts, {each["job"] for each in living})
        try:
            kept = self._forget_settled({each["job"] for each in living})
            self._report(living, kept)
            self._resend(kept)
        except RedisError as error:
            if not self._is_away:
                process.log.warning("machine %s cannot report: %s", self._config.machine, error)
            self._is_away = True
            return False
        self._is_away = False
        return True

    # --- horses -----------------------------------------------------------------------------------

    def _living(self) -> list[dict[str, Any]]:
        """The jobs that run here; those of dead horses until their borg is gone too."""
        living = []
        for path, is_held, facts in runfile.found(self._config.run):
            if is_held or not self._bury(path, facts):
                living.append(
                    {
                        "job": facts["job"],
                        "attempt": facts.get("attempt"),
                        "pid": facts.get("borg_pid"),
                        "start_time": facts.get("start_time"),
                        "started_at": facts.get("started_at"),
                    }
                )
        return living

    def _bury(self, path: Path, facts: dict[str, Any]) -> bool:
        """End what a dead horse has left, a step at each call; whether nothing of it lives."""
        job = int(facts["job"])
        orphan = runfile.borg_of(facts)
        if orphan is not None and orphan.is_alive():
            self._press(job, orphan)
            return False
        self._ending.pop(job, None)
        with suppress(runfile.AlreadyRunningError, FileNotFoundError):
            self._settle(job, path)
        return True

    def _press(self, job: int, orphan: pids.ProcessId) -> None:
        """SIGTERM, and SIGKILL when that has not helped for ``ORPHAN_GRACE`` seconds."""
        moment = time.monotonic()
        if job not in self._ending:
            process.log.warning("job %s: ending its orphaned process %s", job, orphan.pid)
            self._ending[job] = moment + runfile.ORPHAN_GRACE
            pids.terminate(orphan)
        elif moment >= self._ending[job]:
            pids.kill(orphan)

    def _settle(self, job: int, path: Path) -> None:
        """Write the outcome that a dead horse could not write, unless it has."""
        if not path.exists():
            return
        file = runfile.RunFile(self._config.run, job)
        facts = file.before
        attempt = facts.get("attempt")
        try:
            if isinstance(attempt, int):
                known = outcome.read(self._config.run, job)
                if known is None or known.get("attempt") != attempt:
                    outcome.write(self._config.run, self._obituary(job, attempt, facts))
        except OSError as error:
            process.log.warning("job %s: outcome not on disk yet: %s", job, error)
            file.close()
            return
        file.remove()

    def _obituary(self, job: int, attempt: int, facts: dict[str, Any]) -> dict[str, Any]:
        is_ours = (facts.get("boot_id"), facts.get("instance")) == (self._boot_id, self._instance)
        code, message = outcome.WORKER_KILLED if is_ours else outcome.RESTARTED
        job_log = JobLog(self._config.logs / f"{job}.log", str)
        job_log.line(message)
        job_log.close()
        return outcome.new(
            job,
            attempt,
            self._config.machine,
            error_code=code,
            error_message=message,
            started_at=facts.get("started_at"),
            borg_pid=facts.get("borg_pid"),
            borg_start_time=facts.get("start_time"),
            log=job_log.capped.text(),
            log_size=job_log.end,
            log_truncated=job_log.capped.truncated,
            progress=self._last_progress(job, attempt),
            result=staging.told(self._config.run, job, attempt),
        )

    def _last_progress(self, job: int, attempt: int) -> dict[str, Any]:
        """What the horse has last published, if Redis still has it."""
        try:
            state = live.read(self._redis, job)
        except RedisError:
            return {}
        if state is None or state.attempt != attempt:
            return {}
        return {each.name: getattr(state, each.name) for each in fields(Progress)}

    def _tidy(self, left: list[tuple[int, Path]], living: set[int]) -> None:
        """Remove what killed restores have left behind, for a moment at each call."""
        deadline = time.monotonic() + TIDY_SECONDS
        for job, marker in left:
            is_buried = job not in living and not (self._config.run / f"{job}.json").exists()
            if not is_buried or time.monotonic() < self._tidy_at.get(marker, 0.0):
                continue
            removing = self._tidying.setdefault(marker, staging.removing(marker))
            for _ in removing:
                if time.monotonic() >= deadline:
                    return
            del self._tidying[marker]
            self._tidy_at[marker] = time.monotonic() + TIDY_AGAIN_SECONDS

    def _unmount(self, left: list[tuple[int, Path]], living: set[int]) -> None:
        """End the mounts of killed jobs, and remove their folders."""
        for job, folder in left:
            is_buried = job not in living and not (self._config.run / f"{job}.json").exists()
            is_due = time.monotonic() >= self._tidy_at.get(folder, 0.0)
            if is_buried and is_due and not fuse.remove(folder):
                self._tidy_at[folder] = time.monotonic() + TIDY_AGAIN_SECONDS

    # --- outcomes ---------------------------------------------------------------------------------

    def _forget_settled(self, living: set[int]) -> list[dict[str, Any]]:
        """Remove the outcomes control has settled; returns the others."""
        settled = live.acknowledged(self._redis, self._config.machine)
        kept = []
        for each in outcome.kept(self._config.run):
            if f"{each['job']}:{each['attempt']}" in settled:
                outcome.path(self._config.run, each["job"]).unlink(missing_ok=True)
                self._sent.pop((each["job"], each["attempt"]), None)
            else:
                kept.append(each)
        # A living horse without a place on disk for its outcome waits for this word itself.
        heard = {word for word in settled if int(word.partition(":")[0]) not in living}
        if heard:
            self._redis.srem(live.acked_key(self._config.machine), *heard)
        return kept

    def _resend(self, kept: list[dict[str, Any]]) -> None:
        moment = time.monotonic()
        for each in kept:
            key = each["job"], each["attempt"]
            since = self._sent.setdefault(key, moment)
            if moment - since >= RESEND_SECONDS:
                self._sent[key] = moment
                self._send(each)

    def _send(self, kept: dict[str, Any]) -> None:
        """Tell control again, and put the outcome back where it looks for it."""
        job, attempt = kept["job"], kept["attempt"]
        state = live.read(self._redis, job)
        if state is not None and state.attempt is not None and state.attempt > attempt:
            outcome.path(self._config.run, job).unlink(missing_ok=True)
            return
        if state is None or state.outcome is None:
            live.write_outcome(self._redis, kept)
        queueing.enqueue_control(self._queue, queueing.FINISH, job, attempt)

    # --- the report -------------------------------------------------------------------------------

    def _report(self, living: list[dict[str, Any]], kept: list[dict[str, Any]]) -> None:
        version, problem = self._look_for_borg()
        key = live.machine_key(self._config.machine)
        report = {
            "reported_at": live.timestamp(),
            "borg_version": version,
            "borg_error": problem,
            "mount_problem": self._look_for_fuse(),
            "hostname": socket.gethostname().partition(".")[0],  # as borg has it (1.2 and 1.4)
            "workers": self._workers(),
            "live": living,
            "outcomes": [[each["job"], each["attempt"]] for each in kept],
        }
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hset(key, mapping=live.encode(report))
        pipeline.expire(key, live.MACHINE_TTL)
        pipeline.execute()

    def _look_for_borg(self) -> tuple[str | None, str | None]:
        """Version and problem; one of them is None. Runs borg only when its file has changed."""
        moment = time.monotonic()
        if self._borg[1] is None or moment >= self._ask_at:
            try:
                self._borg = program.find(self._config).version, None
            except program.BorgMissingError as error:
                self._borg = None, str(error)
                self._ask_at = moment + ASK_AGAIN_SECONDS
        return self._borg

    def _look_for_fuse(self) -> str | None:
        """Why nothing can be mounted here; None also before borg was asked."""
        problem = fuse.problem()
        moment = time.monotonic()
        if problem is None and self._fuse_at is not None and moment >= self._fuse_at:
            try:
                self._no_fuse = fuse.problem_of_borg(self._config)
            except program.BorgMissingError:
                self._no_fuse = None  # the report says it elsewhere
            self._fuse_at = moment + FUSE_AGAIN_SECONDS if self._no_fuse else None
        return problem or self._no_fuse
