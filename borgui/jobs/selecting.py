"""What of an archive a job is for: how a start names it."""

import base64
import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from borgui.borg import selection
from borgui.borg.selection import Selected
from borgui.validation import Input, PathB64, PathText, to_b64

MOST_PATHS = 1000
"""Borg holds every entry of an archive against each of them."""
MOST_PATH_BYTES = 500_000
"""Of all paths together: they stand in borg's command line, which the kernel limits."""


def _stored(path: str) -> str:
    problem = selection.problem(path)
    if problem:
        raise ValueError(problem)
    return path.rstrip("/")


def _few(paths: list[str]) -> list[str]:
    if sum(len(os.fsencode(path)) + 1 for path in paths) > MOST_PATH_BYTES:
        raise ValueError("These are too many for one job. Select whole folders.")
    return paths


Stored = Annotated[PathText, AfterValidator(_stored)]
StoredB64 = Annotated[PathB64, AfterValidator(_stored), AfterValidator(to_b64)]


class Selection(Input):
    """``paths`` as borg's listings show them, ``paths_b64`` exactly; none is all of it."""

    paths: Annotated[list[Stored], Field(max_length=MOST_PATHS), AfterValidator(_few)] = []
    paths_b64: Annotated[list[StoredB64], Field(max_length=MOST_PATHS), AfterValidator(_few)] = []


def selected(options: dict[str, Any]) -> list[Selected]:
    """What a :class:`Selection`, dumped, names."""
    shown = [Selected(path, shown=True) for path in options.get("paths") or ()]
    return [*shown, *(Selected(decoded(each)) for each in options.get("paths_b64") or ())]


def decoded(text: str) -> str:
    """A path from base64 of its bytes."""
    return os.fsdecode(base64.b64decode(text))


def decoded_paths(result: Mapping[str, Any], name: str) -> list[str] | None:
    """A list of such paths in what a worker told; None where it told none."""
    given = result.get(name)
    return None if given is None else [decoded(each) for each in given]
