"""Ways to hurt a running product, and to see what it made of it."""

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.integration.product import Product, borg, wait_for

SETTLED = 30.0
"""Seconds within which a job that lost its process, or its way, must be settled."""
KILLED = ("worker_killed", "restarted", "stopped")
"""Codes of a job whose process was taken away."""
REASONS = (
    "The worker was killed.",
    "borgui was restarted while this job ran.",
    "borgui was stopped while this job ran.",
)


@dataclass
class Place:
    """A repository of the product, as the tests see it."""

    product: Product
    id: int
    path: Path

    def archives(self) -> list[str]:
        """The names of what borg itself finds there (needs the lock: what runs is waited for)."""
        wait_for(lambda: not self.active(), 30, lambda: f"still active: {self.active()}")
        # By the product's own name, as locks of its dead processes may lie there.
        host = (self.product.data_dir / "machine" / "host-id").read_text().strip()
        home = self.path.parent
        listed = json.loads(borg(self.path, "list", "--json", home=home, BORG_HOST_ID=host))
        return [each["name"] for each in listed["archives"]]

    def active(self) -> list[dict[str, Any]]:
        """Its jobs that wait or run, such as the refresh that follows a job that was killed."""
        jobs = self.product.get(f"/api/jobs?repository_id={self.id}&per_page=10").json["items"]
        return [job for job in jobs if job["status"] in {"pending", "running"}]

    def known(self) -> int:
        """How many archives the product knows of."""
        total: int = self.product.get(f"/api/repositories/{self.id}/archives").json["total"]
        return total

    def back_up(self, **more: Any) -> int:
        """Start a backup; returns the job's id."""
        return self.product.back_up(self.id, **more)

    def works(self) -> dict[str, Any]:
        """A backup now completes: no lock, lane or queue is left behind."""
        job = self.product.wait_job(self.back_up(), seconds=60)
        assert job["status"] == "completed", job
        return job


def children(product: Product, role: str) -> list[psutil.Process]:
    """The supervisor's children of this role: redis, web, control, scheduler, worker or quick."""
    assert product.process is not None
    wanted = "valkey" if role == "redis" else f"borgui {role}"[:15]
    found = []
    for child in psutil.Process(product.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.name().startswith(wanted) and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def child(product: Product, role: str) -> psutil.Process:
    """The one child of this role, as soon as it is there."""
    found: list[psutil.Process] = []

    def there() -> bool:
        found[:] = children(product, role)
        return bool(found)

    wait_for(there, 10, f"no {role}")
    return found[0]


def kill(process: psutil.Process) -> None:
    """SIGKILL, and wait until it is gone."""
    process.kill()
    gone(process)


def gone(process: psutil.Process, seconds: float = 5) -> None:
    """Wait until the process (not merely its pid) is gone."""
    wait_for(lambda: not lives(process), seconds, lambda: f"still alive: {process}")


def lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


@contextlib.contextmanager
def frozen(*processes: psutil.Process) -> Iterator[None]:
    """They are stopped (SIGSTOP) meanwhile, and go on after, unless they were killed."""
    for each in processes:
        each.suspend()
    try:
        yield
    finally:
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()


def running(product: Product, job: int, seconds: float = 20) -> psutil.Process:
    """The job's borg, as soon as the product says that it runs."""
    found = product.wait_job(job, "running", seconds=seconds)
    return psutil.Process(found["process_pid"])


def at_work(place: Place, job: int) -> psutil.Process:
    """The job's borg, as soon as it holds the repository's lock."""
    borg = running(place.product, job)
    wait_for((place.path / "lock.exclusive").exists, 20, "borg has not locked the repository")
    return borg


def horse(product: Product, job: int) -> psutil.Process:
    """The process that watches the job's borg."""
    pid = product.redis().hget(f"borgui:job:{job}", "horse_pid")
    assert pid
    return psutil.Process(int(pid))


def announced(product: Product, job: int, seconds: float = 10) -> None:
    """Wait until control has handed the job over."""
    wait_for(
        lambda: bool(product.redis().hget(f"borgui:job:{job}", "attempt")),
        seconds,
        lambda: f"job {job} was not handed over: {product.job(job)}",
    )


def outcome_of(product: Product, job: int, seconds: float = 60) -> dict[str, Any]:
    """The outcome on the machine's disk, as soon as it is there."""
    path = product.data_dir / "run" / f"{job}.outcome.json"
    wait_for(path.exists, seconds, f"job {job} has left no outcome")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def settled(product: Product, job: int, seconds: float = SETTLED) -> dict[str, Any]:
    """The job as it ended, which it has to in this time."""
    return product.wait_job(job, seconds=seconds)


def was_killed(job: dict[str, Any]) -> None:
    """It failed, and says in words what became of it."""
    assert (job["status"], job["error_code"] in KILLED) == ("failed", True), job
    assert job["error_message"] in REASONS


@contextlib.contextmanager
def locked_database(product: Product, seconds: float) -> Iterator[None]:
    """Another process's transaction holds the database from now on, for so long."""
    begun = threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(product.data_dir / "borgui.db", isolation_level=None)
        connection.execute("PRAGMA busy_timeout=10000")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE jobs SET wait_reason = wait_reason")
        begun.set()
        time.sleep(seconds)
        connection.execute("ROLLBACK")
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert begun.wait(15)
    try:
        yield
    finally:
        holder.join()


def query(product: Product, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of the product's database, read or written beside it."""
    connection = sqlite3.connect(product.data_dir / "borgui.db", timeout=15)
    try:
        with connection:
            return connection.execute(sql, values).fetchall()
    finally:
        connection.close()
