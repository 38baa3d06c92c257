"""A job's run on real borg: how it ends, and what is left of it."""

import json
import time
from pathlib import Path

import psutil
import pytest

from borgui import live, queueing
from borgui.borg import commands
from borgui.runner.spec import pack
from tests.integration.runner.machine_at_work import (
    PASSPHRASE,
    Machine,
    create,
    shell,
    step,
    wait_for,
)


def test_backup_completes(machine: Machine, worker: int, repository: Path, source: Path) -> None:
    result = machine.run([create(repository, source)])

    assert (result["status"], result["exit_code"], result["warning_count"]) == ("completed", 0, 0)
    assert result["result"]["create"]["archive"]["stats"]["nfiles"] == 20
    assert result["progress"]["nfiles"] == 20
    assert result["command"].startswith(f"BORG_REPO={repository} borg create ")
    assert machine.kept() == result
    listed = json.loads(machine.borg("list", "--json", repository=repository))
    assert [archive["name"] for archive in listed["archives"]] == ["a"]
    state = machine.state()
    assert (state.status, state.label, state.pid) == ("completed", "Backup", result["borg_pid"])
    started = wait_for(lambda: machine.calls(queueing.STARTED))
    assert started[0][:2] == [1, 1]
    assert started[0][2]["pid"] == result["borg_pid"]
    assert machine.calls(queueing.FINISH) == [[1, 1]]


def test_log(machine: Machine, worker: int, repository: Path, source: Path) -> None:
    result = machine.run([create(repository, source)])
    tail = live.read_tail(machine.redis, 1)

    assert result["log"] == machine.log()
    assert tail is not None
    assert tail.data.decode() == machine.log()
    assert (tail.base, tail.end) == (0, result["log_size"])
    assert "Saving files cache" in result["log"]
    assert PASSPHRASE not in machine.log()
    assert 80_000 < machine.redis.ttl("borgui:job:1") <= live.DAY


def test_warning(machine: Machine, worker: int, repository: Path, source: Path) -> None:
    gone = source / "gone"
    result = machine.run([create(repository, source / "sub", gone)])

    assert (result["status"], result["warning_count"]) == ("completed", 1)
    assert result["exit_code"] in {1, 107}  # borg 1.4 says which warning it was
    assert result["warnings"][0]["path"] == str(gone)
    assert result["unread_sources"] == [str(gone)]


def test_wrong_passphrase(machine: Machine, worker: int, repository: Path, source: Path) -> None:
    result = machine.run([create(repository, source, passphrases=["wrong"])])

    assert (result["status"], result["error_code"]) == ("failed", "passphrase_wrong")
    assert result["result"] == {}


def test_second_passphrase(machine: Machine, worker: int, repository: Path, source: Path) -> None:
    result = machine.run([create(repository, source, passphrases=["wrong", PASSPHRASE])])

    assert (result["status"], result["result"]["passphrase_index"]) == ("completed", 1)


def test_steps_run_in_order(machine: Machine, worker: int, tmp_path: Path, source: Path) -> None:
    fresh = tmp_path / "fresh"
    result = machine.run(
        [
            step("init", commands.init("repokey-blake2"), fresh),
            create(fresh, source),
            step("list", commands.list_archives(), fresh),
            step("info", commands.info_archives(last=1), fresh),
        ]
    )

    assert result["status"] == "completed"
    assert [each["name"] for each in result["result"]["list"]["archives"]] == ["a"]
    assert result["result"]["info"]["archives"][0]["stats"]["nfiles"] == 20
    assert len(result["command"].splitlines()) == 4
    assert len(machine.calls(queueing.STARTED)) == 1


def test_failing_step_ends_the_job(machine: Machine, worker: int, tmp_path: Path) -> None:
    result = machine.run([shell("exit 3"), shell(f"touch {tmp_path}/ran")])

    assert (result["status"], result["exit_code"]) == ("failed", 3)
    assert not (tmp_path / "ran").exists()


def test_progress_while_it_runs(
    machine: Machine, worker: int, repository: Path, slow_source: Path
) -> None:
    machine.send(machine.seal([create(repository, slow_source)]))
    borg = machine.await_borg()
    state = wait_for(lambda: (s := machine.state()).progress_percent is not None and s)

    assert (state.status, state.step, state.pid) == ("running", "create", borg.pid)
    assert state.start_time == borg.started_at
    assert state.progress_percent is not None
    assert 0 <= state.progress_percent < 50
    assert state.original_size is not None
    assert machine.redis.ttl("borgui:job:1") == -1


def test_cancel_before_start(machine: Machine, worker: int, repository: Path, source: Path) -> None:
    live.announce(machine.redis, 1, attempt=1)
    live.request_cancel(machine.redis, 1)
    machine.send_again(machine.seal([create(repository, source)]))
    result = machine.await_outcome()

    assert (result["status"], result["borg_pid"], result["error_code"]) == ("cancelled", None, None)
    assert machine.calls(queueing.STARTED) == []


def test_cancel(machine: Machine, worker: int, repository: Path, slow_source: Path) -> None:
    machine.send(machine.seal([create(repository, slow_source)]))
    borg = machine.await_borg()
    wait_for(lambda: machine.state().nfiles is not None)
    asked = time.monotonic()
    live.request_cancel(machine.redis, 1, attempt=1)
    result = machine.await_outcome()

    assert time.monotonic() - asked < 2.5
    assert (result["status"], result["exit_code"]) == ("cancelled", 143)
    assert not borg.is_alive()
    assert not (repository / "lock.exclusive").exists()


def test_cancel_means_one_attempt(machine: Machine, worker: int) -> None:
    live.announce(machine.redis, 1, attempt=2)
    live.request_cancel(machine.redis, 1, attempt=1)
    machine.send_again(machine.seal([shell("sleep 0.6")], attempt=2), attempt=2)

    assert machine.await_outcome()["status"] == "completed"


def test_sigterm_ignored(machine: Machine, worker: int) -> None:
    script = "trap '' TERM; sleep 60 & echo $!; wait; wait"
    machine.send(machine.seal([shell(script)], cancel_grace=0.5))
    child = machine.await_borg()
    wait_for(lambda: len(machine.log().splitlines()) == 2)
    grandchild = int(machine.log().split()[-1])
    live.request_cancel(machine.redis, 1)
    result = machine.await_outcome()

    assert (result["status"], result["exit_code"]) == ("cancelled", -9)
    assert machine.state().cancelling, "pages that read the hash alone must know"
    assert not child.is_alive()
    wait_for(lambda: not Path(f"/proc/{grandchild}").exists())


def test_time_limit(machine: Machine, worker: int, repository: Path, slow_source: Path) -> None:
    result = machine.run([create(repository, slow_source)], time_limit=1)

    assert (result["status"], result["error_code"]) == ("failed", "time_limit")


def test_secret_is_masked(machine: Machine, worker: int) -> None:
    secret = 'hunter"22\\ä'
    event = {"type": "log_message", "levelname": "INFO", "name": "x", "message": f"in {secret}"}
    script = 'printf \'%s\\n\' "out $WORD"; printf \'%s\\n\' "$EVENT" "raw $EVENT" >&2'
    env = {"WORD": secret, "EVENT": json.dumps(event)}
    result = machine.run([shell(script, env=env)], secrets=[secret])

    assert result["status"] == "completed"
    assert "Z out ********\n" in machine.log()
    assert "Z in ********\n" in machine.log()
    written = b"".join(
        path.read_bytes() for path in machine.config.data_dir.rglob("*") if path.is_file()
    )
    assert b"hunter" not in written
    assert "hunter" not in str(machine.redis.hgetall("borgui:job:1"))
    assert "hunter" not in str(machine.redis.get("borgui:log:1"))


def test_output_of_other_programs_is_kept(machine: Machine, worker: int) -> None:
    result = machine.run([shell("echo plain; printf 'no end'; echo '{\"type\": 1}' >&2")])

    assert result["status"] == "completed"
    assert "Z plain\n" in result["log"]
    assert "Z no end\n" in result["log"]
    assert 'Z {"type": 1}\n' in result["log"]


def test_flood(machine: Machine, worker: int) -> None:
    """Much on both pipes at once, a line without end among it: no deadlock, little memory."""
    script = (
        "head -c 30000000 /dev/zero | tr '\\0' x >&2 & yes out | head -n 200000 & wait;"
        " grep VmHWM /proc/$PPID/status"
    )
    result = machine.run([shell(script)])

    assert result["status"] == "completed"
    assert result["log_truncated"]
    assert len(result["log"].encode()) < 66_000
    peak = next(line for line in machine.log().splitlines() if "VmHWM:" in line)
    inherited = psutil.Process(worker).memory_info().rss // 1000  # of the tests' own process
    assert int(peak.split()[-2]) < inherited + 60_000, "kB"
    assert (machine.redis.strlen("borgui:log:1") or 0) <= live.TAIL_LIMIT


def test_stdin(machine: Machine, worker: int) -> None:
    result = machine.run([shell("cat", stdin=pack("from\nme\n"))])

    assert "Z from\n" in result["log"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [("borg 2.0.0b23", "borg 2"), ("borg 1.1.9", "too old"), ("what?", "not a borg")],
)
def test_wrong_borg(
    machine: Machine, tmp_path: Path, repository: Path, source: Path, answer: str, sentence: str
) -> None:
    fake = tmp_path / "borg"
    fake.write_text(f"#!/bin/sh\necho '{answer}'\n")
    fake.chmod(0o755)
    object.__setattr__(machine.config, "borg", str(fake))
    machine.start_worker()
    result = machine.run([create(repository, source)])

    assert (result["status"], result["error_code"]) == ("failed", "program_missing")
    assert sentence in result["error_message"]


def test_no_borg(machine: Machine, repository: Path, source: Path) -> None:
    object.__setattr__(machine.config, "borg", "/nowhere/borg")
    machine.start_worker()
    result = machine.run([create(repository, source)])

    assert result["error_code"] == "program_missing"
    assert "/nowhere/borg was not found" in result["error_message"]
