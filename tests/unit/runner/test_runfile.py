"""The lock that tells a living horse from a dead one."""

import os
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from borgui.runner import process, runfile


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


def _take_and_give(folder: str, number: int) -> int:
    """Take the lock, count in a file without any care, give it back by removing the file."""
    path = Path(folder)
    for _ in range(number):
        while True:
            try:
                file = runfile.RunFile(path, 1)
            except runfile.AlreadyRunningError:
                continue
            break
        count = int((path / "count").read_text())
        time.sleep(0.0005)
        (path / "count").write_text(str(count + 1))
        file.remove()
    return number


def test_one_at_a_time(tmp_path: Path) -> None:
    """Also when the file goes away between another one's open and lock."""
    (tmp_path / "count").write_text("0")
    with get_context("fork").Pool(4) as pool:
        pool.starmap(_take_and_give, [(str(tmp_path), 50)] * 4)

    assert (tmp_path / "count").read_text() == "200"


def test_borg_of_another_boot() -> None:
    facts = {"borg_pid": os.getpid(), "borg_start": 1}

    assert runfile.borg_of({**facts, "boot_id": "other"}) is None
    assert runfile.borg_of({"boot_id": process.boot_id()}) is None
    assert runfile.borg_of({**facts, "boot_id": process.boot_id()}) == process.ProcessId(
        os.getpid(), 1
    )
