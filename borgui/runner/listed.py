"""What a person has selected of an archive, and what ``borg list`` prints of it, entry by entry."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from borgui.borg.display import as_borg_prints
from borgui.borg.listing import ListingError, OtherArchiveError
from borgui.borg.progress import Progress
from borgui.borg.selection import Selected
from borgui.runner.failure import FailedError
from borgui.runner.spec import unpack
from borgui.runner.steps import Reader


def selected_of(parameters: Mapping[str, Any]) -> tuple[Selected, ...]:
    """A step's ``paths_b64``, with ``shown`` for each; empty for all of the archive."""
    paths = parameters.get("paths_b64") or ()
    shown = parameters.get("shown") or [False] * len(paths)
    pairs = zip(paths, shown, strict=True)
    return tuple(Selected(unpack(path), bool(is_shown)) for path, is_shown in pairs)


class Listed(Reader):
    """For a listing with a line for each entry: see :meth:`take`."""

    def shown(self, progress: Progress) -> Progress:
        """Nothing is known beside that it is under way."""
        message = "Looking at what the archive holds"
        return replace(progress, progress_message=message, progress_percent=None)


class ListedText(Listed):
    """For one of the formats of :mod:`borgui.borg.listing`. What cannot be read ends it."""

    pause = 0.005  # as of runner.indexing.Indexing: fewer, larger pieces

    def line(self, line: bytes) -> bool:
        """Have an entry taken."""
        if self.halt is None:
            try:
                self.take(line.decode())
            except (ListingError, UnicodeDecodeError) as error:
                self.halt = unreadable(error)
            except FailedError as failed:
                self.halt = failed
        return True

    def take(self, line: str) -> None:
        """The next entry. Raises ListingError, and FailedError to have the program ended."""
        raise NotImplementedError


def unreadable(error: ListingError | UnicodeDecodeError) -> FailedError:
    """What to tell of a listing that is not what it should be."""
    if isinstance(error, OtherArchiveError):
        return FailedError(
            "archive_changed",
            "The archive is another one now: somebody else has deleted it and used its name"
            " again. Refresh the list of archives.",
        )
    return FailedError("listing_unreadable", f"What borg printed cannot be read: {error}.")


class ListedJson(Listed):
    """For ``--json-lines`` of what was selected. Paths as borg shows them.

    What is no entry is logged.
    """

    def __init__(self, selected: Sequence[Selected]) -> None:
        self._pending = {as_borg_prints(each.path): each for each in selected}

    def line(self, line: bytes) -> bool:
        """Have an entry taken."""
        try:
            entry = json.loads(line)
        except ValueError:
            return False
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            return False
        path = as_borg_prints(entry["path"])
        self._find(path)
        self.take(entry, path)
        return True

    def take(self, entry: dict[str, Any], path: str) -> None:
        """The next entry, and its path."""
        raise NotImplementedError

    def missing(self) -> list[Selected]:
        """Selected paths that neither an entry has nor what an entry lies in. Of two that borg
        shows alike, the other is missed by the run that follows."""
        return list(self._pending.values())

    def _find(self, path: str) -> None:
        while self._pending and path:
            self._pending.pop(path, None)
            path = path.rpartition("/")[0]
