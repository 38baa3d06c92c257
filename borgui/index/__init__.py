"""What archives hold, on disk: one file a repository, ``DATA_DIR/indexes/{repository_id}.db``.

A worker makes it from ``borg list`` (:class:`IndexWriter`), the web reads it
(:class:`ArchiveIndex`, :func:`search`, :func:`compare`). It can always be made again, so nothing
in it is precious. See :mod:`borgui.index.schema` for its shape.
"""

from borgui.borg.listing import ListingError
from borgui.index.comparison import Change, Changes, Counts, Status, changes, compare
from borgui.index.entry import Entry, Kind
from borgui.index.reader import ArchiveIndex, IndexedArchive, Page, PathMissing, Sort, Version
from borgui.index.schema import IndexMissing, discard, discard_for_good
from borgui.index.searching import Hit, Hits, Query, search
from borgui.index.sweeping import carry_over, drop, keep_only, sweep
from borgui.index.writer import IndexWriter

__all__ = [
    "ArchiveIndex",
    "Change",
    "Changes",
    "Counts",
    "Entry",
    "Hit",
    "Hits",
    "IndexMissing",
    "IndexWriter",
    "IndexedArchive",
    "Kind",
    "ListingError",
    "Page",
    "PathMissing",
    "Query",
    "Sort",
    "Status",
    "Version",
    "carry_over",
    "changes",
    "compare",
    "discard",
    "discard_for_good",
    "drop",
    "keep_only",
    "search",
    "sweep",
]
