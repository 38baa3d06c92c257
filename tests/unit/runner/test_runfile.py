"""The lock that tells a living horse from a dead one."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from borgui.runner import pids, runfile


def test_held_while_it_lives(tmp_path: Path) -> None:
    file = runfile.RunFile(tmp_path, 7)
    file.write(attempt=2, borg_pid=1)
    file.write(borg_pid=2)

    assert list(runfile.found(tmp_path)) == [
        (tmp_path / "7.json", True, {"job": 7, "attempt": 2, "borg_pid": 2})
    ]
    with pytest.raises(runfile.AlreadyRunningError):
        runfile.RunFile(tmp_path, 7)
    file.close()
    assert [held for _, held, _ in runfile.found(tmp_path)] == [False]
    assert runfile.RunFile(tmp_path, 7).before["attempt"] == 2


def test_removed(tmp_path: Path) -> None:
    runfile.RunFile(tmp_path, 7).remove()

    assert list(tmp_path.iterdir()) == []
    runfile.RunFile(tmp_path, 7).close()


def test_other_files_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "borg-version.json").write_text("{}")
    (tmp_path / "7.outcome.json").write_text("{}")
    (tmp_path / "8.json").write_text("no json")

    assert [facts for _, _, facts in runfile.found(tmp_path)] == [{"job": 8}]


def test_removed_between_open_and_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a file that has no name any more would keep nobody out."""
    real = fcntl.flock
    removals = [tmp_path / "7.json"]

    def flock(descriptor: int, flags: int) -> None:
        if removals:
            removals.pop().unlink()
        real(descriptor, flags)

    monkeypatch.setattr(runfile.fcntl, "flock", flock)
    file = runfile.RunFile(tmp_path, 7)

    assert [held for _, held, _ in runfile.found(tmp_path)] == [True]
    file.close()


def test_waits_for_a_prober(tmp_path: Path) -> None:
    """One that only looks does not make a horse give up."""
    descriptor = os.open(tmp_path / "7.json", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    timer = threading.Timer(0.1, os.close, [descriptor])
    timer.start()
    runfile.RunFile(tmp_path, 7).close()
    timer.join()


def test_borg_of_another_boot() -> None:
    facts = {"borg_pid": os.getpid(), "borg_start": 1}

    assert runfile.borg_of({**facts, "boot_id": "other"}) is None
    assert runfile.borg_of({"boot_id": pids.boot_id()}) is None
    assert runfile.borg_of({**facts, "boot_id": pids.boot_id()}) == pids.ProcessId(os.getpid(), 1)
