"""What becomes of a job when something around it is killed, stopped, emptied or full."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from borgui import live, queueing
from borgui.borg import commands
from borgui.config import Config
from borgui.runner import context, pids, program, runfile
from borgui.runner import machine as machine_module
from borgui.runner.horse import Horse
from tests.integration.runner.machine_at_work import Machine, create, shell, step, wait_for


def horse_of(machine: Machine, job: int = 1) -> int:
    return wait_for(lambda: machine.state(job).horse_pid)


def test_horse_killed(machine: Machine, worker: int, repository: Path, slow_source: Path) -> None:
    machine.send(machine.seal([create(repository, slow_source)]))
    borg = machine.await_borg()
    wait_for(lambda: machine.state().nfiles is not None)
    os.kill(horse_of(machine), signal.SIGKILL)
    wait_for(lambda: not borg.is_alive(), 3)
    reporter = machine.reporter()
    reporter.publish()
    result = machine.kept()

    assert result is not None
    assert (result["error_code"], result["error_message"]) == (
        "worker_killed",
        "The worker was killed.",
    )
    assert result["borg_pid"] == borg.pid
    assert result["progress"]["nfiles"] is not None
    assert result["log"].endswith("The worker was killed.\n")
    report = live.read_machine(machine.redis, "local")
    assert report is not None
    assert (report.live, report.outcomes) == ([], [[1, 1]])
    again = machine.run([step("list", commands.list_archives(), repository)], 2)
    assert again["status"] == "completed", "the repository is not locked"


def test_worker_killed(machine: Machine, worker: int, repository: Path, slow_source: Path) -> None:
    machine.send(machine.seal([create(repository, slow_source)]))
    borg = machine.await_borg()
    machine.stop(worker, signal.SIGKILL)
    result = machine.await_outcome()

    assert (result["status"], result["error_code"]) == ("failed", "worker_killed")
    assert not borg.is_alive()
    assert machine.calls(queueing.FINISH) == [[1, 1]]


def test_worker_stopped(machine: Machine, worker: int, repository: Path, slow_source: Path) -> None:
    """SIGTERM ends horse and borg, leaves an outcome, and then the worker leaves."""
    machine.send(machine.seal([create(repository, slow_source)]))
    borg = machine.await_borg()
    began = time.monotonic()
    assert machine.stop(worker) == 0

    assert time.monotonic() - began < 6
    result = machine.await_outcome()
    assert result["error_code"] == "stopped"
    assert result["error_message"] == "borgui was stopped while this job ran."
    assert not borg.is_alive()


def test_idle_worker_stops_at_once(machine: Machine, worker: int) -> None:
    began = time.monotonic()
    assert machine.stop(worker) == 0
    assert time.monotonic() - began < 1


def test_borg_killed(machine: Machine, worker: int, repository: Path, slow_source: Path) -> None:
    machine.send(machine.seal([create(repository, slow_source)]))
    os.kill(machine.await_borg().pid, signal.SIGKILL)

    result = machine.await_outcome()
    assert (result["error_code"], result["exit_code"]) == ("killed_by_signal", -9)


def test_everything_killed_and_started_again(machine: Machine, worker: int, tmp_path: Path) -> None:
    """An orphan that ignores SIGTERM is ended before its job counts as ended."""
    script = "trap '' TERM; echo begun; while :; do sleep 0.1; done"
    machine.send(machine.seal([shell(script)]))
    orphan = machine.await_borg()
    wait_for(lambda: "Z begun" in machine.log())
    os.kill(worker, signal.SIGSTOP)
    os.kill(horse_of(machine), signal.SIGKILL)
    machine.stop(worker, signal.SIGKILL)
    runfile.ORPHAN_GRACE, before = 0.3, runfile.ORPHAN_GRACE
    reporter = machine.reporter("second")
    try:
        reporter.publish()
        report = live.read_machine(machine.redis, "local")
        assert report is not None
        assert report.runs(1, 1)
        assert machine.kept() is None
        wait_for(lambda: (reporter.publish(), machine.kept())[1])
    finally:
        runfile.ORPHAN_GRACE = before
        pids.kill(orphan)
    result = machine.kept()
    assert result is not None
    assert (result["error_code"], result["error_message"]) == (
        "restarted",
        "borgui was restarted while this job ran.",
    )
    assert not orphan.is_alive()


def test_redis_stopped_for_20_seconds(
    machine: Machine, worker: int, redis_server: Any, tmp_path: Path
) -> None:
    script = f"until [ -e {tmp_path}/go ]; do sleep 0.1; done; echo end"
    machine.send(machine.seal([shell(script)]))
    child = machine.await_borg()
    redis_server.stop()
    time.sleep(20)
    assert child.is_alive()
    redis_server.start()
    time.sleep(1.5)
    (tmp_path / "go").touch()
    result = machine.await_outcome()
    tail = live.read_tail(machine.redis, 1)

    assert result["status"] == "completed"
    assert tail is not None
    assert tail.data.decode() == machine.log()
    assert machine.run([], 2)["status"] == "completed", "the worker has survived"


def test_redis_away_at_the_beginning(machine: Machine, redis_server: Any) -> None:
    """It alone knows that another attempt counts by now: it is waited for."""
    context.configure(machine.config, machine.url)
    live.announce(machine.redis, 1, attempt=2)
    redis_server.stop()
    taken: list[bool] = []
    first = threading.Thread(target=lambda: taken.append(Horse(context.get(), 1, 1).take()))
    first.start()
    first.join(1)
    assert taken == []
    redis_server.start()
    first.join(10)
    assert taken == [False]


def test_redis_away_at_the_end(
    machine: Machine, worker: int, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_module, "RESEND_SECONDS", 0.1)
    machine.send(machine.seal([shell("sleep 1; echo done")]))
    machine.await_borg()
    redis_server.stop()
    wait_for(machine.kept)
    redis_server.start()
    machine.redis.flushall()
    reporter = machine.reporter()
    assert wait_for(lambda: (reporter.publish(), machine.calls(queueing.FINISH))[1]) == [[1, 1]]
    assert machine.state().outcome == machine.kept()
    live.acknowledge(machine.redis, "local", 1, 1)
    reporter.publish()
    assert machine.kept() is None
    assert live.acknowledged(machine.redis, "local") == set()


def test_redis_emptied(machine: Machine, worker: int, tmp_path: Path) -> None:
    """The whole state is there again within seconds, announced facts included."""
    script = f"echo begin; until [ -e {tmp_path}/go ]; do sleep 0.1; done"
    machine.send(machine.seal([shell(script)]))
    machine.await_borg()
    time.sleep(0.6)
    machine.redis.flushall()
    state = wait_for(lambda: (s := machine.state()).pid and s, 7)
    wait_for(lambda: (t := live.read_tail(machine.redis, 1)) and t.data.decode() == machine.log())
    (tmp_path / "go").touch()

    assert (state.label, state.status, state.attempt) == ("Backup", "running", 1)
    assert machine.await_outcome()["status"] == "completed"


def hold_lock(repository: Path, owner: str) -> None:
    """A lock as borg 1.x leaves it."""
    host, _, rest = owner.rpartition(".")
    pid, _, thread = rest.partition("-")
    (repository / "lock.exclusive").mkdir()
    (repository / "lock.exclusive" / owner).touch()
    (repository / "lock.roster").write_text(
        f'{{"exclusive": [["{host}", {pid}, {int(thread, 16)}]]}}'
    )


@pytest.fixture
def stranger() -> Iterator[int]:
    """The pid of a living process that is no borg."""
    child = subprocess.Popen(["sleep", "100"])
    yield child.pid
    child.kill()
    child.wait()


def test_stale_lock_is_broken(
    machine: Machine, worker: int, repository: Path, source: Path, stranger: int
) -> None:
    """Its pid belongs to another program by now: borg itself would wait for ever."""
    hold_lock(repository, f"{program.host_id(machine.config)}.{stranger}-0")
    result = machine.run([create(repository, source)])

    assert result["status"] == "completed"
    assert f"process {stranger}" in result["notes"][0]
    assert "stale lock" in result["log"]


def test_stale_lock_of_borgs_cache_is_removed(
    machine: Machine, worker: int, repository: Path, source: Path, stranger: int
) -> None:
    """It is found by borg's own words, so wherever the repository lies. While its owner may live,
    it is named, and not called the repository's."""
    machine.run([create(repository, source)])
    (cache,) = (machine.config.borg_home / "cache").glob("*/config")
    hold_lock(cache.parent, f"other.example.org@123.{stranger}-0")
    result = machine.run([create(repository, source, name="b")], job=2)
    assert (result["error_code"], result["retryable"]) == ("lock_timeout", True)
    assert "borg's cache" in result["error_message"]
    assert f"process {stranger} on other" in result["error_message"]

    shutil.rmtree(cache.parent / "lock.exclusive")
    hold_lock(cache.parent, f"{program.host_id(machine.config)}.{stranger}-0")
    result = machine.run([create(repository, source, name="c")], job=3)
    assert result["status"] == "completed"
    assert f"lock of borg's cache was removed (process {stranger}" in result["notes"][0]
    assert "break-lock" not in result["log"]


def test_foreign_lock_is_left_alone(
    machine: Machine, worker: int, repository: Path, source: Path, stranger: int
) -> None:
    owner = f"other.example.org@123.{stranger}-0"
    hold_lock(repository, owner)
    result = machine.run([create(repository, source)])

    assert (result["status"], result["error_code"]) == ("failed", "lock_timeout")
    assert result["retryable"]
    assert f"process {stranger} on other.example.org@123" in result["error_message"]
    assert (repository / "lock.exclusive" / owner).exists()


def test_living_borg_keeps_its_lock(
    machine: Machine, worker: int, repository: Path, source: Path
) -> None:
    argv = ["with-lock", "--lock-wait=1", str(repository), "cat"]
    env = program.base_environment(machine.config)
    with subprocess.Popen(["/usr/bin/borg", *argv], env=env, stdin=subprocess.PIPE) as holder:
        wait_for(lambda: list(repository.glob("lock.exclusive/*")))
        result = machine.run([create(repository, source)])
        assert result["error_code"] == "lock_timeout"
        assert result["error_message"].count(f"process {holder.pid}") == 1


@pytest.fixture
def small_disk(config: Config) -> Iterator[Path]:
    """The data folder on a file system of its own of 4 MB."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(config.data_dir)], check=True
    )
    config.make_folders()
    yield config.data_dir
    subprocess.run(["umount", "--lazy", str(config.data_dir)], check=True)


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_disk_full_while_it_runs(small_disk: Path, machine: Machine, tmp_path: Path) -> None:
    """The job goes on, its outcome comes by Redis, and to disk as soon as there is room."""
    machine.start_worker()
    script = f"echo before; until [ -e {tmp_path}/go ]; do sleep 0.1; done; echo after"
    machine.send(machine.seal([shell(script)]))
    machine.await_borg()
    wait_for(lambda: "Z before" in machine.log())
    fill(small_disk)
    (tmp_path / "go").touch()
    result = wait_for(lambda: machine.state().outcome)

    assert result["status"] == "completed"
    assert "Z before" in result["log"]
    assert "Z after" in result["log"]
    assert machine.kept() is None
    assert (machine.config.run / "1.json").exists()
    (small_disk / "ballast").unlink()
    assert wait_for(machine.kept) == result
    wait_for(lambda: not (machine.config.run / "1.json").exists())


def test_disk_full_before(small_disk: Path, machine: Machine, tmp_path: Path) -> None:
    machine.start_worker()
    fill(small_disk)
    machine.send(machine.seal([shell(f"touch {tmp_path}/ran")]))
    result = wait_for(lambda: machine.state().outcome)
    live.acknowledge(machine.redis, "local", 1, 1)

    assert (result["status"], result["error_code"]) == ("failed", "data_folder")
    assert "No space left on device" in result["error_message"]
    assert not (tmp_path / "ran").exists()
    (small_disk / "ballast").unlink()
    machine.run([], 2)


def test_disk_full_in_repository(
    machine: Machine, worker: int, tmp_path: Path, source: Path
) -> None:
    """borg's own words come through."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], check=True)
    try:
        (source / "noise").write_bytes(os.urandom(6_000_000))
        fresh = small / "repository"
        result = machine.run(
            [step("init", commands.init("none"), fresh, passphrases=[]), create(fresh, source)]
        )
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)
    assert (result["status"], result["error_code"]) == ("failed", "disk_full")
