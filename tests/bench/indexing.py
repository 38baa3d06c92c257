"""Indexes one archive in a process of its own, as the worker does: prints what it took as JSON.

``python -m tests.bench.indexing FILE BORG_ID ARCHIVE``, with borg's environment set.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from borgui.borg import commands
from borgui.borg.progress import Progress
from borgui.index import IndexWriter
from borgui.runner import process, steps
from borgui.runner.indexing import Indexing
from borgui.runner.logfile import JobLog
from borgui.runner.spec import Step


class Alone:
    """A job that nobody watches and nothing ends."""

    grace = 1.0

    def __init__(self, folder: Path) -> None:
        self.log = JobLog(folder / "bench.log", str)

    def stop_reason(self) -> None:
        """Nothing does."""

    def began(self, child: process.Child) -> None:
        """Nobody is told."""

    def progress(self, progress: Progress) -> None:
        """Nobody is told."""


def main(path: str, borg_id: str, archive: str) -> None:
    """Index, and say how long it took and what memory it used."""
    process.prepare()
    job = Alone(Path(path).parent)
    step = Step("index", "borg", tuple(commands.list_archive(archive)), {})
    borg = shutil.which("borg")
    assert borg is not None
    marked = subprocess.check_output([borg, "list", "--format={id}", "--last=1"], text=True)
    began = time.monotonic()
    with IndexWriter(Path(path), borg_id, marked=marked) as writer:
        reader = Indexing(writer, None)
        ended = steps.run(job, step, [borg, *step.argv], dict(os.environ), None, reader)
        assert ended.verdict.status == "completed", ended
        assert reader.halt is None, reader.halt
        writer.finish()
    seconds = time.monotonic() - began
    job.log.close()
    peak_of_borg = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peaks": [_own_peak(), peak_of_borg]}))


def _own_peak() -> float:
    """In MiB; getrusage would count what the parent had when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
