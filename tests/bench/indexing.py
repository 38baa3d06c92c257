"""Indexes one archive in a process of its own, as the worker does: prints what it took as JSON.

``python -m tests.bench.indexing FILE BORG_ID ARCHIVE``, with borg's environment set.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from borgui.borg import commands
from borgui.index import IndexWriter

CHUNK = 64 * 1024
PAUSE = 0.005
"""Seconds between two reads. Borg writes line by line; without a pause each line wakes the reader,
and both spend a fifth of their time on that."""


def main(path: str, borg_id: str, archive: str) -> None:
    """Index, and say how long it took and what memory it used."""
    began = time.monotonic()
    command = ["borg", *commands.list_archive(archive)]
    with IndexWriter(Path(path), borg_id) as writer:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as borg:
            assert borg.stdout is not None
            while data := os.read(borg.stdout.fileno(), CHUNK):
                writer.feed(data)
                time.sleep(PAUSE)
        assert borg.returncode == 0, borg.returncode
        writer.finish()
    seconds = time.monotonic() - began
    peak_of_borg = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peaks": [_own_peak(), peak_of_borg]}))


def _own_peak() -> float:
    """In MiB; getrusage would count what the parent had when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
