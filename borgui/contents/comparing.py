"""What differs between two archives, by their index: names, sizes, times, modes."""

from dataclasses import dataclass

from borgui import index
from borgui.config import Config
from borgui.contents.archive import open_index
from borgui.errors import Invalid
from borgui.index import Counts, Entry, Status
from borgui.models import Archive


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one entry. ``before``: as it was; ``after``: as it is; None where it is in
    one archive only. ``counts``: of a folder with all below, in files and bytes."""

    status: Status
    path: str
    before: Entry | None
    after: Entry | None
    counts: Counts


@dataclass(frozen=True, slots=True)
class Comparison:
    """One page of what differs. ``counts``: by folder, of the whole folder; else of the page.
    ``is_complete``: False where time ran out."""

    before: Archive
    after: Archive
    path: str
    changes: list[Change]
    counts: Counts
    page: int
    per_page: int
    has_more: bool
    is_complete: bool


def compare(
    config: Config,
    before: Archive,
    after: Archive,
    path: str = "",
    *,
    is_flat: bool = False,
    page: int = 1,
    per_page: int = 100,
) -> Comparison:
    """What differs in a folder of two archives of one repository.

    By folder: what lies directly in it, each folder with the sums of what is below; flat: every
    change below it as one list. A path that is a file in either is itself what may differ.

    Raises :class:`Invalid` for archives of different repositories, :class:`Conflict`
    ``index_missing`` where one has none, :class:`NotFound` where neither has the path.
    """
    if before.repository_id != after.repository_id:
        raise Invalid({"other_id": "It belongs to another repository."})
    kind = index.changes if is_flat else index.compare
    with open_index(config, before.repository_id) as opened:
        found = kind(
            opened,
            before.borg_id,
            after.borg_id,
            path,
            offset=(page - 1) * per_page,
            limit=per_page,
        )
    return Comparison(
        before,
        after,
        path,
        [_change(each) for each in found.changes],
        found.counts,
        page,
        per_page,
        found.has_more,
        found.is_complete,
    )


def _change(change: index.Change) -> Change:
    after = None if change.status is Status.REMOVED else change.entry
    return Change(change.status, change.path, change.before, after, change.counts)
