"""What the supervisor ends, in which order, and whom it leaves alone: with real processes."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from borgui.config import ROOT
from tests.integration.product import wait_for

STUBBORN = "trap '' TERM; exec sleep 300"
"""A shell that becomes a program which does not mind SIGTERM."""

WRAPPER = f"""#!/bin/sh
({STUBBORN}) & echo $! > "$1"/before
(sleep 0.5; ({STUBBORN}) & echo $! > "$1"/later) &
exec "$2" "$1"/parent.py "$1"
"""
"""Starts two programs before it becomes the supervisor: one stays its child, the other is left to
it later on, as what ``docker exec`` starts is left to the first process of a container."""

PARENT = f"""
import os, signal, sys, time
from pathlib import Path
from borgui import supervisor
from borgui.runner import process

supervisor.STOP_GRACE, supervisor.ADOPTED_GRACE = 30.0, 5.0
folder = Path(sys.argv[1])

def note(name, pid):
    new = folder / f"{{name}}.new"  # each its own: they note themselves at the same time
    new.write_text(f"{{pid}}\\n")
    new.rename(folder / name)

def run(name):
    def end(number, frame):
        with (folder / "ended").open("a") as file:
            file.write(name + "\\n")
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
    note(name, os.getpid())
    while True:
        time.sleep(1)

def stuck():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    process.release_signals()
    note("detached", os.getpid())
    while True:
        time.sleep(1)

def first():
    LEAVING
    run("first")

def leave():
    process.detach(stuck, os.getppid())
    if os.fork() == 0:
        started = process.start([b"/bin/sh", b"-c", {STUBBORN.encode()!r}], {{}})
        time.sleep(0.5)
        note("program", started.pid)
        os._exit(0)

one = supervisor.Supervisor()
process.prepare(one.instance)
one.add(supervisor.Child("first", first, 1))
one.add(supervisor.Child("second", lambda: run("second"), 2))
MORE
sys.exit(one.run())
"""

REFUSED = """
kill = os.kill
def refuse(pid, number):
    if pid == one.children[0].pid:
        raise PermissionError(1, "Operation not permitted")
    kill(pid, number)
os.kill = refuse
"""
"""As the kernel answers for a child that has become another user's."""


class Parent:
    """A supervisor with two children, each of which notes that it was ended in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes]

    def start(self, *, leaving: str = "pass", more: str = "", said: Path | None = None) -> None:
        text = PARENT.replace("LEAVING", leaving).replace("MORE", more)
        (self.folder / "parent.py").write_text(text)
        with (said or self.folder / "said").open("wb") as stderr:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", WRAPPER, "sh", str(self.folder), sys.executable],
                cwd=ROOT,
                env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
                stderr=stderr,
            )
        for name in ("before", "later", "first", "second"):
            self.of(name)

    def of(self, name: str) -> psutil.Process:
        """The process that is noted under this name, once it is the supervisor's own child."""
        file = self.folder / name
        wait_for(lambda: file.exists() and file.read_text().endswith("\n"), 10, f"no {name}")
        found = psutil.Process(int(file.read_text()))
        wait_for(lambda: found.ppid() == self.process.pid, 10, f"{name} is not its child")
        return found

    def stop(self) -> float:
        """Returns how many seconds it took."""
        began = time.monotonic()
        self.process.terminate()
        assert self.process.wait(30) == 0, (self.folder / "said").read_text()
        return time.monotonic() - began

    @property
    def ended(self) -> list[str]:
        return (self.folder / "ended").read_text().split()

    def close(self) -> None:
        for name in ("before", "later", "first", "second", "detached", "program"):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                psutil.Process(int((self.folder / name).read_text())).kill()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    made = Parent(tmp_path)
    yield made
    made.close()


def test_what_is_not_ours_is_left_alone(parent: Parent) -> None:
    """Neither what a wrapper had started before, nor an orphan that came later; and no grace is
    spent on them."""
    parent.start()
    strangers = [parent.of("before"), parent.of("later")]
    assert parent.stop() < 4.5
    assert parent.ended == ["first", "second"]
    for each in strangers:
        assert each.is_running()


def test_what_is_not_ours_is_waited_for_when_it_ends(parent: Parent) -> None:
    parent.start()
    for name in ("before", "later"):
        stranger = parent.of(name)
        stranger.kill()
        wait_for(lambda stranger=stranger: not stranger.is_running(), 5, "a zombie is left")  # type: ignore[misc]


def test_what_children_left_to_us_is_ended(parent: Parent) -> None:
    """A process of theirs and a program: both mind no SIGTERM, and both within their grace."""
    parent.start(leaving="leave()")
    left = [parent.of("detached"), parent.of("program")]
    assert 5 <= parent.stop() < 20
    assert parent.ended == ["first", "second"]
    for each in left:
        assert not each.is_running()


def test_a_child_that_may_not_be_signalled_keeps_nobody(parent: Parent) -> None:
    """It is said, and the others are ended as ever."""
    parent.start(more=REFUSED)
    refused = parent.of("first")
    assert parent.stop() < 4.5
    assert parent.ended[:1] == ["second"]
    said = (parent.folder / "said").read_text()
    assert f"process {refused.pid} cannot be sent SIGTERM: Operation not permitted" in said


def test_a_full_disk_under_its_output_ends_nothing(parent: Parent) -> None:
    """What it cannot say that it starts again is started again all the same."""
    parent.start(said=Path("/dev/full"))
    first = parent.of("first")
    first.kill()
    noted = parent.folder / "first"
    wait_for(lambda: noted.read_text().strip() != str(first.pid), 10, "it is not started again")
    assert parent.of("first").is_running()
    parent.process.terminate()
    parent.process.wait(30)  # Python makes its own exit code of output it cannot flush
    assert parent.ended == ["first", "second"]
