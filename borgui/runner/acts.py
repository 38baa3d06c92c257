"""Steps that are more than one run of a program: what a worker does around borg, in its horse.

A step whose name is in :data:`ACTS` is handed to the function of that name, which runs borg by the
:class:`~borgui.runner.work.Work` it is given; every other step is one run of its program. A kind
that needs more than that adds a function and a line here, and edits nothing else of the runner.
"""

from collections.abc import Callable
from importlib import import_module

from borgui.runner.backup import create  # noqa: F401 - what most horses need, read before they fork
from borgui.runner.spec import Step
from borgui.runner.work import Work

Act = Callable[[Work, Step], None]
"""Raises :class:`~borgui.runner.failure.FailedError` when the job cannot go on."""

ACTS = {
    "create": "backup",
    "delete_repository": "deleting",
    "diff": "diffing",
    "download": "download",
    "drill": "drilling",
    "extract": "restore",
    "index": "indexing",
    "init": "creating",
    "list_archives": "carrying",
    "list_renamed": "carrying",
    "look": "looking",
    "mount": "mounting",
    "preview": "previewing",
    "verify": "verifying",
}
"""Function → its module in this package, which the horse imports that needs it: together they
would take a megabyte of every machine's memory at rest."""


def act_of(step: str) -> Act | None:
    """What is done at a step of this name; None where it is one run of its program."""
    if step not in ACTS:
        return None
    act: Act = getattr(import_module(f"borgui.runner.{ACTS[step]}"), step)
    return act
