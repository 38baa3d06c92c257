"""Who can write to Redis still cannot make a worker do what control did not order."""

import json
import os
from pathlib import Path

import pytest
from redis import Redis
from rq.serializers import JSONSerializer

from borgui import live, queueing
from tests.integration.runner.machine_at_work import Machine, create, shell


def test_tampered_spec(machine: Machine, worker: int, repository: Path, source: Path) -> None:
    sealed = machine.seal([create(repository, source)])
    middle = len(sealed) // 2
    machine.send(sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :])
    result = machine.await_outcome()

    assert (result["status"], result["error_code"]) == ("failed", "spec_refused")
    assert result["borg_pid"] is None


def test_spec_of_another_job(machine: Machine, worker: int, repository: Path, source: Path) -> None:
    machine.send(machine.seal([create(repository, source)], job=1), job=2)

    assert machine.await_outcome(2)["error_code"] == "spec_refused"


def forge(connection: Redis, **fields: object) -> str:
    """Queue a call whose hash somebody has written by hand; returns its key."""
    queue = queueing.queue(connection, "local-high")
    call = queue.create_job(queueing.RUN_JOB, args=[1, 1, "x"], timeout=-1, result_ttl=0)
    call.origin = queue.name
    call.save()
    connection.hset(call.key, mapping=fields)
    connection.rpush(queue.key, call.id)
    return str(call.key)


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there as soon as somebody imports the module ``trap``."""
    sprung = tmp_path / "sprung"
    (tmp_path / "trap.py").write_text(f"open({str(sprung)!r}, 'w')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return sprung


def test_unknown_function(machine: Machine, trap: Path) -> None:
    """Its module is not even imported."""
    machine.start_worker()
    connection = queueing.connect(machine.url)
    calls: list[object] = [[name, None, [], {}] for name in ("trap.run", "os.abort", "", 3, [1])]
    calls += [[queueing.RUN_JOB, "trap.Class", [], {}], [queueing.RUN_JOB, None, 1, 2], 4, {}]
    keys = [forge(connection, data=JSONSerializer.dumps(call)) for call in calls]
    keys.append(forge(connection, data=b"no json"))
    machine.run([])  # the worker still works

    assert not trap.exists()
    assert not connection.exists(*keys)
    assert machine.kept(1) is not None


def test_callbacks_are_dropped(machine: Machine, trap: Path) -> None:
    machine.start_worker()
    live.announce(machine.redis, 1, attempt=1)
    names = ("success", "failure", "stopped")
    webhook = [{"url": "http://127.0.0.1:1/", "events": ["finished", "failed"]}]
    forge(
        queueing.connect(machine.url),
        webhooks=json.dumps(webhook),
        **{f"{name}_callback_name": "trap.run" for name in names},
    )
    machine.await_outcome()
    machine.run([], 2)

    assert not trap.exists()


def test_broken_call(machine: Machine, worker: int) -> None:
    """A hash RQ cannot read does not end the worker."""
    connection = queueing.connect(machine.url)
    connection.hset("rq:job:bad", mapping={"data": "x", "status": "no such", "timeout": "never"})
    connection.rpush("rq:queue:local-high", "bad")
    machine.run([])

    os.kill(worker, 0)


def test_arguments_of_another_kind(machine: Machine, worker: int) -> None:
    connection = queueing.connect(machine.url)
    queueing.enqueue(connection, "local-default", queueing.RUN_JOB, "../../etc", 1, "x")
    queueing.enqueue(connection, "local-default", queueing.RUN_JOB, 1)
    machine.run([], 3)

    names = {path.name for path in machine.config.run.iterdir()}
    assert names == {"3.outcome.json", "borg-version.json"}


def test_duplicate_is_refused(machine: Machine, worker: int, tmp_path: Path) -> None:
    """Two workers, one job: it runs once."""
    machine.start_worker()
    sealed = machine.seal([shell(f"echo ran >> {tmp_path}/count; sleep 1")])
    machine.send(sealed)
    machine.await_borg()
    machine.send_again(sealed)
    result = machine.await_outcome()
    machine.send_again(sealed)  # and after its end
    machine.run([], 2)

    assert result["status"] == "completed"
    assert (tmp_path / "count").read_text() == "ran\n"


def test_older_attempt_is_refused(machine: Machine, worker: int) -> None:
    live.announce(machine.redis, 1, attempt=2)
    machine.send_again(machine.seal([], attempt=1), attempt=1)
    machine.run([], 2)

    assert machine.state().status == "pending"
    assert machine.kept() is None
