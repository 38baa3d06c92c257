"""Steps that are more than one run of a program: what a worker does around borg, in its horse.

A step whose name is in :data:`ACTS` is handed to that function, which runs borg by the
:class:`~borgui.runner.work.Work` it is given; every other step is one run of its program. A kind
that needs more than that adds a function and a line here, and edits nothing else of the runner.
"""

from collections.abc import Callable

from borgui.runner.backup import create
from borgui.runner.carrying import list_renamed
from borgui.runner.diffing import diff
from borgui.runner.download import download
from borgui.runner.drilling import drill
from borgui.runner.indexing import index
from borgui.runner.mounting import mount
from borgui.runner.restore import extract, preview
from borgui.runner.spec import Step
from borgui.runner.verifying import verify
from borgui.runner.work import Work

Act = Callable[[Work, Step], None]
"""Raises :class:`~borgui.runner.failure.FailedError` when the job cannot go on."""

ACTS: dict[str, Act] = {
    "create": create,
    "diff": diff,
    "download": download,
    "drill": drill,
    "extract": extract,
    "index": index,
    "list_renamed": list_renamed,
    "mount": mount,
    "preview": preview,
    "verify": verify,
}
