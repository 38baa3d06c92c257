"""A machine of the product: sealed specs, RQ, forked workers, real borg."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from redis import Redis

from borgui import live, queueing
from borgui.borg import commands
from borgui.config import Config
from borgui.runner import context, outcome, pids, program
from borgui.runner.machine import Reporter
from borgui.runner.spec import pack
from borgui.runner.worker import MachineWorker, QuickWorker
from borgui.security import keys, sealing

PASSPHRASE = "correct horse battery"


T = TypeVar("T")


def wait_for(look: Callable[[], T], seconds: float = 15) -> T:
    """The first true answer of ``look``."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)
    return found


def step(name: str, argv: list[str], repository: Path, **more: Any) -> dict[str, Any]:
    """A step of a spec; ``env`` and ``passphrases`` may be among ``more``."""
    env = {"BORG_REPO": str(repository)} | more.pop("env", {})
    return {
        "name": name,
        "program": "borg",
        "argv": [pack(word) for word in argv],
        "env": {name: pack(value) for name, value in env.items()},
        "passphrases": [PASSPHRASE],
        "cwd": None,
        "parameters": {},
    } | more


def create(repository: Path, *sources: Path, name: str = "a", **more: Any) -> dict[str, Any]:
    """The step of a backup."""
    options = commands.CreateOptions(name=name, sources=tuple(map(str, sources)))
    argv = [word.replace("--lock-wait=5", "--lock-wait=1") for word in commands.create(options)]
    parameters = {"sources_b64": [pack(str(source)) for source in sources]}
    return step("create", argv, repository, parameters=parameters, **more)


def shell(script: str, **more: Any) -> dict[str, Any]:
    """A step that is no borg: ``sh -c``."""
    return step("shell", ["-c", script], Path("/nowhere"), program="/bin/sh", **more)


@dataclass
class Machine:
    """One machine: its workers, what is sent to it, what comes back."""

    config: Config
    url: str
    redis: Redis
    instance: str = "first"
    children: list[int] = field(default_factory=list)

    def fork(self, run: Callable[[], object]) -> int:
        """Run something in a child process."""
        pid = os.fork()
        if pid == 0:
            self._be_child(run)
        self.children.append(pid)
        return pid

    def _be_child(self, run: Callable[[], object]) -> NoReturn:
        try:
            run()
        finally:
            os._exit(0)

    def start_worker(self) -> int:
        """Start a worker for jobs; returns its pid when it waits for them."""
        return self._start(MachineWorker)

    def start_quick(self) -> int:
        return self._start(QuickWorker)

    def _start(self, kind: type[MachineWorker] | type[QuickWorker]) -> int:
        context.configure(self.config, self.url, instance=self.instance)
        # Never the name of one before: its horse may still write to its hash.
        name = secrets.token_hex(8)

        def run() -> None:
            worker = kind(self.config.machine, queueing.connect(self.url), name=name)
            worker.work(logging_level="WARNING")

        pid = self.fork(run)
        wait_for(lambda: self.redis.hget(f"rq:worker:{name}", "state") == "idle")
        return pid

    def stop(self, pid: int, number: signal.Signals = signal.SIGTERM) -> int:
        """End a child and wait for it; returns its wait status."""
        os.kill(pid, number)
        return self.wait(pid)

    def wait(self, pid: int) -> int:
        self.children.remove(pid)
        return os.waitpid(pid, 0)[1]

    def seal(self, steps: list[dict[str, Any]], job: int = 1, attempt: int = 1, **more: Any) -> str:
        spec = {
            "job": job,
            "attempt": attempt,
            "machine": self.config.machine,
            "kind": "backup",
            "time_limit": 60,
            "cancel_grace": 3,
            "secrets": [PASSPHRASE],
            "steps": steps,
        } | more
        transport = keys.load(self.config).transport(self.config.machine)
        return sealing.seal_spec(spec, transport, job, attempt, self.config.machine)

    def send(self, sealed: str, job: int = 1, attempt: int = 1) -> None:
        """What control does when it admits a job."""
        live.announce(self.redis, job, attempt=attempt, label="Backup")
        self.send_again(sealed, job, attempt)

    def send_again(self, sealed: str, job: int = 1, attempt: int = 1) -> None:
        name = queueing.machine_queue(self.config.machine, "default")
        queueing.enqueue(queueing.connect(self.url), name, queueing.RUN_JOB, job, attempt, sealed)

    def state(self, job: int = 1) -> live.Live:
        return live.read(self.redis, job) or live.Live()

    def await_borg(self, job: int = 1) -> pids.ProcessId:
        """Wait until borg runs."""
        pid = wait_for(lambda: self.state(job).pid)
        identity = pids.identify(pid)
        assert identity is not None
        return identity

    def await_outcome(self, job: int = 1, seconds: float = 20) -> dict[str, Any]:
        """Wait until Redis has the outcome and the horse has gone."""
        found = wait_for(lambda: self.state(job).outcome, seconds)
        wait_for(lambda: not (self.config.run / f"{job}.json").exists())
        return found

    def run(self, steps: list[dict[str, Any]], job: int = 1, **more: Any) -> dict[str, Any]:
        """Send a job and wait for its outcome."""
        self.send(self.seal(steps, job, **more), job)
        return self.await_outcome(job)

    def kept(self, job: int = 1) -> dict[str, Any] | None:
        return outcome.read(self.config.run, job)

    def log(self, job: int = 1) -> str:
        return (self.config.logs / f"{job}.log").read_text()

    def calls(self, function: str) -> list[list[Any]]:
        """The arguments of every call of ``function`` that waits for control."""
        waiting = queueing.queue(queueing.connect(self.url), queueing.CONTROL).jobs
        return [list(call.args) for call in waiting if call.func_name == function]

    def reporter(self, instance: str | None = None) -> Reporter:
        return Reporter(self.config, self.url, instance or self.instance, lambda: 2)

    def borg(self, *argv: str, repository: Path) -> str:
        """Run borg directly."""
        env = program.base_environment(self.config)
        env |= {"BORG_REPO": str(repository), "BORG_PASSPHRASE": PASSPHRASE}
        done = subprocess.run(["borg", *argv], env=env, capture_output=True, text=True, check=True)
        return done.stdout
