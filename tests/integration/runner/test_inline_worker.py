"""The worker control is made of: no fork, listed calls only, regular work between them."""

import signal
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from redis import Redis

from borgui import queueing
from tests.integration.runner.machine_at_work import Machine, wait_for


class Worker(queueing.InlineWorker):
    """Writes down what it does."""

    functions: ClassVar[frozenset[str]] = frozenset({"os.mkdir"})
    tick_seconds: ClassVar[int] = 1
    folder: ClassVar[Path]
    pause: ClassVar[float] = 0.0

    def tick(self) -> None:
        with (self.folder / "ticks").open("a") as file:
            file.write("begin\n")
            file.flush()
            time.sleep(self.pause)
            file.write("end\n")
        if self.pause == 0:
            raise RuntimeError("a tick that fails does not end the worker")


@pytest.fixture
def started(machine: Machine, tmp_path: Path) -> int:
    Worker.folder = tmp_path
    pid = machine.fork(
        lambda: Worker(["control"], queueing.connect(machine.url)).work(logging_level="CRITICAL")
    )
    wait_for((tmp_path / "ticks").exists)
    return pid


def test_calls(machine: Machine, started: int, tmp_path: Path, redis: Redis) -> None:
    connection = queueing.connect(machine.url)
    queueing.enqueue(connection, "control", "os.rmdir", str(tmp_path))
    queueing.enqueue(connection, "control", "os.mkdir", "/proc/no")
    queueing.enqueue(connection, "control", "os.mkdir", str(tmp_path / "made"))
    wait_for((tmp_path / "made").exists)

    assert tmp_path.exists()
    wait_for(lambda: (tmp_path / "ticks").read_text().count("end") >= 2)
    assert not connection.keys("rq:job:*")  # those that failed are forgotten too
    assert not connection.keys("rq:exec*")
    assert machine.stop(started) == 0


def test_a_call_does_not_wait_for_the_next_tick(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(Worker, "tick_seconds", 60)
    request.getfixturevalue("started")
    queueing.enqueue(queueing.connect(machine.url), "control", "os.mkdir", str(tmp_path / "made"))
    wait_for((tmp_path / "made").exists)
    assert (tmp_path / "ticks").read_text().count("begin") == 1


def test_redis_comes_back(
    machine: Machine, started: int, tmp_path: Path, redis_server: Any
) -> None:
    redis_server.stop()
    time.sleep(3)
    redis_server.start()
    queueing.enqueue(queueing.connect(machine.url), "control", "os.mkdir", str(tmp_path / "made"))
    wait_for((tmp_path / "made").exists, 5)


def test_a_tick_is_not_cut(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(Worker, "pause", 0.5)
    pid = request.getfixturevalue("started")

    assert machine.stop(pid, signal.SIGTERM) == 0
    lines = (tmp_path / "ticks").read_text().split()
    assert lines[-1] == "end"


def test_nudges_are_one_call_until_control_looks(machine: Machine) -> None:
    connection = queueing.connect(machine.url)
    waiting = queueing.queue(connection, queueing.CONTROL)
    for _ in range(3):
        queueing.nudge_control(connection)
    assert waiting.count == 1
    queueing.forget_nudge(connection)
    queueing.nudge_control(connection)
    assert waiting.count == 2
    assert 0 < connection.ttl(queueing.NUDGED_KEY) <= queueing.NUDGED_SECONDS
