"""What an act may use of the job it belongs to."""

from typing import Any, Protocol

from borgui.borg.progress import Progress
from borgui.config import Config
from borgui.runner.failure import FailedError
from borgui.runner.logfile import JobLog
from borgui.runner.spec import Step
from borgui.runner.steps import Ended, Reader


class Work(Protocol):
    """One job under way (:class:`borgui.runner.attempt.Attempt`), for :mod:`borgui.runner.acts`."""

    config: Config
    job: int
    attempt: int
    log: JobLog

    def answer(self, step: Step) -> dict[str, Any]:
        """The step's part of the outcome's ``result``; kept whatever happens afterwards."""

    def run_program(self, step: Step, reader: Reader) -> Ended:
        """Run the step's program to its end. Raises FailedError where it cannot be started."""

    def note(self, ended: Ended) -> None:
        """Keep exit code, warnings and progress of a run for the outcome."""

    def conclude(self, ended: Ended, said: str = "") -> None:
        """Raise FailedError unless the run completed. ``said``: what is true after that, as a
        sentence; for a run that was stopped it is told in the outcome too."""

    def check_stop(self, said: str = "") -> None:
        """Raise FailedError when the job must end now (cancelled, time limit)."""

    def progress(self, progress: Progress) -> None:
        """Publish the state, at most twice a second; brings the wish to cancel back."""

    def tell(self, **facts: object) -> None:
        """Publish fields of the live hash that are the kind's own, at once."""

    def warn(self, message: str, path: str | None = None) -> None:
        """Add a warning of our own."""


def run_whole(work: Work, step: Step, reader: Reader, said: str) -> None:
    """Run the step's program, of whose work no part may be missing. Raises FailedError unless it
    did all of it; ``said`` as that of :meth:`Work.conclude`."""
    ended = work.run_program(step, reader)
    work.note(ended)
    if reader.halt is not None:
        raise FailedError(reader.halt.code, f"{reader.halt.message} {said}".strip())
    work.conclude(ended, said)
    if ended.stopped is not None:
        work.check_stop(said)  # it may have ended well, and yet have left out a part
