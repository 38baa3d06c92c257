"""Runs a job beside the workers: in a process of its own that takes no slot and keeps no queue.

For jobs that do nothing most of their time, such as a mount. The process is a child of this
machine's supervisor, which ends it with everything else.
"""

from contextlib import suppress
from pathlib import Path

from borgui.runner import context, horse, process, stopping


def run_job(job: int, attempt: int, sealed: str) -> None:
    """Have this attempt of a job run by a horse of its own; returns at once."""

    def run() -> None:
        stopping.install_signals()
        process.release_signals()
        with suppress(OSError):  # a name for ps and top; the kernel keeps 15 bytes of it
            Path("/proc/self/comm").write_text(f"borgui job {job}"[:15])
        horse.run_job(job, attempt, sealed)

    process.detach(run, context.get().parent)
