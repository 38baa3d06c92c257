"""Steps that are more than one run of a program: what a worker does around borg, in its horse.

A step whose name is in :data:`ACTS` is handed to that function, which runs borg by the
:class:`Work` it is given; every other step is one run of its program. A new kind that needs more
than that adds a function here and edits nothing else of the runner.
"""

from collections.abc import Callable
from typing import Any, Protocol

from borgui.borg.progress import Progress
from borgui.config import Config
from borgui.runner import restore
from borgui.runner.logfile import JobLog
from borgui.runner.spec import Step
from borgui.runner.steps import Ended, Reader


class Work(Protocol):
    """What an act may use of the job it belongs to."""

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

    def warn(self, message: str, path: str | None = None) -> None:
        """Add a warning of our own."""


Act = Callable[[Any, Step], None]

ACTS: dict[str, Act] = {
    "extract": restore.extract,
    "preview": restore.preview,
}
