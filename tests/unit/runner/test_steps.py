"""A step whose reading fails."""

import sys
from pathlib import Path

import pytest

from borgui.borg.progress import Progress
from borgui.runner import process, steps
from borgui.runner.logfile import JobLog
from borgui.runner.spec import Step


class Failing:
    """A job that fails by a fault of our own: when its program runs, or when it is read."""

    grace = 1.0

    def __init__(self, folder: Path, *, at_once: bool) -> None:
        self.log = JobLog(folder / "1.log", str)
        self.child: process.Child | None = None
        self._at_once = at_once

    def stop_reason(self) -> str | None:
        return None

    def began(self, child: process.Child) -> None:
        self.child = child
        if self._at_once:
            raise MemoryError

    def progress(self, progress: Progress) -> None:
        raise MemoryError(progress)


@pytest.mark.parametrize("at_once", [False, True])
def test_no_program_outlives_the_one_who_reads_it(tmp_path: Path, at_once: bool) -> None:
    """One that prints more than a pipe holds would wait for its reader, and we for its end."""
    job = Failing(tmp_path, at_once=at_once)
    argv = [sys.executable, "-c", "while True: print('x' * 1000)"]
    step = Step(name="shell", program=argv[0], argv=tuple(argv[1:]), env={})
    with pytest.raises(MemoryError):
        steps.run(job, step, argv, {}, None)
    assert job.child is not None
    assert job.child.popen.returncode == -9
