"""Mounts an archive, for as long as its lease lasts: ``borg mount`` in the foreground.

It ends in order when the mount ends, and exits with 0. Where somebody is still in it, the mount is
taken out of the file system first, then borg gets SIGTERM: borg itself leaves the mountpoint behind
when it gets a signal (1.2.4, "to not let a mirror delete everything").
"""

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from borgui import live
from borgui.borg.figures import MOST_PERCENT
from borgui.borg.progress import Progress
from borgui.runner import fuse, process
from borgui.runner.failure import FailedError
from borgui.runner.spec import Step, unpack
from borgui.runner.steps import Ended, Reader
from borgui.runner.work import Work

LEASE = "lease"
"""Why a mount ended, beside the reasons of every job: its lease is over."""
BY_HAND = "unmounted"
"""Somebody unmounted it on the machine."""


def mount(work: Work, step: Step) -> None:
    """The act of the step ``mount``. Raises FailedError.

    Its parameters: ``mountpoint_b64``, a folder that is made and removed again; ``expires_at``,
    when the lease ends. Its answer: ``mounted_at``, and ``ended``, why a mount that stood ended.
    """
    folder = Path(unpack(str(step.parameters["mountpoint_b64"])))
    _make(folder)
    lease = Lease(work, folder, datetime.fromisoformat(str(step.parameters["expires_at"])))
    try:
        ended = work.run_program(step, lease)
    finally:
        fuse.remove(folder)
    work.note(ended)
    _conclude(work, step, lease, ended)


def _make(folder: Path) -> None:
    reason = fuse.problem()
    if reason is not None:
        raise FailedError("mount_unavailable", reason)
    fuse.remove(folder)  # of an attempt that was killed
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        message = f"The folder to mount at could not be made: {error.strerror}."
        raise FailedError("data_folder", message) from error


def _clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease(Reader):
    """Watches one mount: whether it stands, and how long it may."""

    def __init__(self, work: Work, folder: Path, expires_at: datetime) -> None:
        self.mounted_at: str | None = None
        self._work = work
        self._folder = folder
        self._expires_at = expires_at
        self._began = _clock()
        self._seconds = max((expires_at - datetime.now(UTC)).total_seconds(), 0.0)

    @property
    def left(self) -> float:
        """Seconds until it is over, by a clock that nobody sets and that does not stop while the
        machine sleeps."""
        return self._seconds - (_clock() - self._began)

    def over(self) -> str | None:
        """``lease`` once it is over."""
        if self.mounted_at is None:
            self._look()
        return LEASE if self.left <= 0 else None

    def _look(self) -> None:
        if fuse.is_mounted(self._folder):
            self.mounted_at = live.timestamp()
            self._work.log.line(f"Mounted until {self._expires_at:%Y-%m-%d %H:%M:%S} UTC.")
            self._work.tell(mounted_at=self.mounted_at)

    def ask_to_end(self, child: process.Child) -> None:
        """End the mount, and borg with it."""
        if not fuse.is_mounted(self._folder):
            child.terminate()
        elif not fuse.unmount(self._folder, lazy=False):
            self._work.log.line("Somebody is still in it: it is taken away from them.")
            fuse.unmount(self._folder, lazy=True)
            child.terminate()

    def shown(self, progress: Progress) -> Progress:
        """How much of the lease is used up."""
        if self.mounted_at is None:
            return replace(progress, progress_message="Mounting.")
        used = (1 - self.left / self._seconds) * 100 if self._seconds else 100.0
        return replace(
            progress,
            progress_percent=round(min(max(used, 0.0), MOST_PERCENT), 1),
            progress_message="Mounted.",
            eta_seconds=max(round(self.left), 0),
        )


def _conclude(work: Work, step: Step, lease: Lease, ended: Ended) -> None:
    """A mount that stood and was ended has completed, whoever ended it and however borg took it."""
    if lease.mounted_at is None:
        if ended.stopped == LEASE:
            raise FailedError("lease_over", "Its lease ended before the archive was mounted.")
        work.conclude(ended)
    elif ended.stopped is None:
        work.conclude(ended)
    answer = work.answer(step)
    answer["mounted_at"] = lease.mounted_at
    answer["ended"] = ended.stopped or BY_HAND
    with suppress(KeyError):
        work.log.line(_WORDS[str(answer["ended"])])


_WORDS = {
    LEASE: "Its lease is over.",
    BY_HAND: "It was unmounted on the machine.",
    "cancelled": "It was unmounted.",
    "stopped": "It was unmounted: borgui was stopped.",
    "worker_killed": "It was unmounted: borgui was killed.",
}
