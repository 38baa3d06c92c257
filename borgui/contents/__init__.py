"""What archives hold, for pages and API: the index on disk joined with the archives' rows.

Everything here only reads, in bounded time, and never asks borg; ``start_index`` alone starts the
job that does. Paths are as borg stores them: without a leading slash, ``str`` with surrogate
escapes; the empty path is the archive's root.
"""

from borgui.contents.archive import (
    LONGEST_PATH,
    check_path,
    index_file,
    indexed_ids,
    is_indexed,
    load_archive,
    open_index,
)
from borgui.contents.browsing import Folder, entry, folder
from borgui.contents.comparing import Change, Comparison, compare
from borgui.contents.indexing import index_job, start_index
from borgui.contents.searching import Found, Results, search
from borgui.contents.versions import Dated, History, Version, history

__all__ = (
    "LONGEST_PATH",
    "Change",
    "Comparison",
    "Dated",
    "Folder",
    "Found",
    "History",
    "Results",
    "Version",
    "check_path",
    "compare",
    "entry",
    "folder",
    "history",
    "index_file",
    "index_job",
    "indexed_ids",
    "is_indexed",
    "load_archive",
    "open_index",
    "search",
    "start_index",
)
