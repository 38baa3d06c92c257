"""An archive's row and its index on disk."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.orm import Session

from borgui import index
from borgui.config import Config
from borgui.errors import Conflict, Invalid, NotFound, Unavailable
from borgui.index import ArchiveIndex, IndexMissing, PathMissing
from borgui.models import Archive

LONGEST_PATH = 4096
"""Bytes; Linux takes no longer path."""

log = logging.getLogger("borgui.web")


def load_archive(session: Session, archive_id: int) -> Archive:
    """The archive, or :class:`NotFound`."""
    archive = session.get(Archive, archive_id)
    if archive is None:
        raise NotFound("archive_not_found", f"There is no archive {archive_id}.")
    return archive


@contextmanager
def open_index(config: Config, repository_id: int) -> Iterator[ArchiveIndex]:
    """The index of a repository as it is now; keep it open for one answer only.

    Raises :class:`Conflict` ``index_missing`` where there is none, or it does not hold an archive
    that is asked for within; and :class:`NotFound` ``path_not_found`` for a path that is asked for
    within and is not there. A damaged one is missing too, and removed unless somebody writes it.
    """
    path = index_file(config, repository_id)
    try:
        with ArchiveIndex(path) as opened:
            yield opened
    except IndexMissing as error:
        raise _missing() from error
    except PathMissing as error:
        raise NotFound("path_not_found", "The archive holds no such path.") from error
    except sqlite3.OperationalError as error:  # the file itself may be good
        raise Unavailable("index_unavailable", f"The index cannot be read now: {error}.") from error
    except sqlite3.DatabaseError as error:
        is_gone = index.discard(path)
        what = "removed" if is_gone else "left to who writes it now"
        log.warning("the index %s is damaged and is %s: %s", path, what, error)
        raise _missing() from error


def index_file(config: Config, repository_id: int) -> Path:
    """Where the index of a repository is, or would be."""
    return config.indexes / f"{repository_id}.db"


def indexed_ids(config: Config, repository_id: int) -> set[str]:
    """Borg's ids of the archives that have an index; empty where there is none."""
    try:
        with open_index(config, repository_id) as opened:
            return set(opened.roots())
    except Conflict:
        return set()


def is_indexed(config: Config, archive: Archive) -> bool:
    """Whether the archive can be browsed now."""
    return archive.borg_id in indexed_ids(config, archive.repository_id)


def check_path(path: str, field: str = "path") -> str:
    """A path inside an archive as a person or program gave it, in the form used here.

    Raises :class:`Invalid` for what no archive holds: a leading slash, ``.`` or ``..`` as a part,
    a NUL, more bytes than a path may have. A slash at the end is dropped.
    """
    fault = _path_fault(path)
    if fault is not None:
        raise Invalid({field: fault})
    return path.rstrip("/")


def _missing() -> Conflict:
    return Conflict(
        "index_missing",
        "What this archive holds has not been read yet. Start that with POST"
        " /api/archives/ID/index.",
    )


def _path_fault(path: str) -> str | None:
    if path.startswith("/"):
        return "Paths in an archive have no leading slash."
    if "\0" in path:
        return "It may not hold a NUL."
    if len(path.encode("utf-8", "surrogateescape")) > LONGEST_PATH:
        return f"It may have at most {LONGEST_PATH} bytes."
    if any(part in {".", ".."} for part in path.split("/")):
        return "It may not hold . or .. as a part."
    return None
