"""The index file of a repository: its tables, how it is opened, locked and thrown away.

A folder of an archive is a *node*: the sorted list of what lies directly in it, named by a digest
of that list, as in git. Folders that two archives share are stored once, and an archive is little
more than the number of its root node. Nodes never change, so the position of an entry in its
folder is its key, and a page of a folder of any size is one range of ``entries``.

Folders come first in a node, then all else; both are sorted by the folded name (see
:func:`fold`), then by the name itself.
"""

import fcntl
import os
import sqlite3
import unicodedata
from pathlib import Path
from typing import Final

VERSION: Final = 1
"""Of the tables. An index of another version is thrown away: it can be made again."""

PAGE_BYTES: Final = 8192
CACHE_KIB: Final = 8192
CHECKPOINT_PAGES: Final = 4096
"""Pages written before they are moved into the file proper, which waits for the disk."""

BUSY_SECONDS: Final = 60.0
"""How long a writer waits for another; only the node of a huge folder takes more than moments."""

_TABLES: Final = """
create table archives (
    borg_id text primary key,
    root integer not null,
    entries integer not null,
    made_at integer not null
) without rowid;

create table nodes (
    id integer primary key,
    digest blob unique,        -- null: is being freed
    entries integer not null,  -- directly in it
    folders integer not null,  -- of these
    files integer not null,    -- with all below, everything but folders
    size integer not null,     -- with all below
    refs integer not null,     -- entries and archives that hold it
    block integer              -- where its names are; null: in blocks of its own
);
create index nodes_unused on nodes (id) where refs = 0;

create table entries (
    node integer not null,
    number integer not null,
    name blob not null,
    kind integer not null,     -- ord() of borgui.borg.listing.Attributes.kind
    owner integer,             -- null: borg lists no such folder, only what is in it
    size integer not null,     -- of a folder: with all below
    mtime integer,             -- microseconds
    child integer,
    target text,
    is_broken integer not null,
    primary key (node, number)
) without rowid;
create index entries_child on entries (child) where child is not null;

create table owners (
    id integer primary key,
    mode text not null,
    uid integer not null,
    gid integer not null,
    "user" text not null,
    "group" text not null,
    unique (mode, uid, gid, "user", "group")
);

-- Other orders of big folders: positions as packed numbers, ORDER_BLOCK in a row.
create table orders (
    node integer not null,
    sort text not null,
    block integer not null,
    numbers blob not null,
    primary key (node, sort, block)
) without rowid;

-- Names for the search: folded, each ended by NUL, those of several small folders together.
create table blocks (
    id integer primary key,
    node integer,              -- the one big folder it belongs to, else null
    total integer not null,    -- names in it
    live integer not null,     -- of these, names in nodes that still exist
    spans blob not null,       -- packed (node, first number, count)
    largest integer not null,
    oldest integer not null,
    newest integer not null,
    names blob not null
);
create index blocks_node on blocks (node) where node is not null;
"""

BIG: Final = 4096
"""A folder with more entries has its other orders stored, and blocks of names of its own."""

ORDER_BLOCK: Final = 4096
NAMES_BLOCK: Final = 4096


class IndexMissing(LookupError):
    """There is no index of this repository, or it does not hold this archive."""


def fold(name: str) -> str:
    """A name as sorting and searching see it: case and Unicode composition make no difference."""
    folded = name.casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that sees the index as it is now until it is closed.

    Raises :class:`IndexMissing` where there is none of this version.
    """
    if not path.exists():
        raise IndexMissing(f"there is no index {path.name}")
    address = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    try:
        connection.execute(f"pragma cache_size = -{CACHE_KIB}")
        connection.execute("begin")
        version = _version(connection)
    except BaseException:
        connection.close()
        raise
    if version != VERSION:
        connection.close()
        raise IndexMissing(f"{path.name} is of another version, or not made yet")
    return connection


def open_for_writing(path: Path) -> sqlite3.Connection:
    """A connection for changes; makes the file, or makes it anew where it is of no use."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _open(path)
    except sqlite3.OperationalError:
        raise  # busy, full, not allowed: the file itself may be good
    except sqlite3.DatabaseError:
        _unlink(path, "", "-wal", "-shm")
        return _open(path)


def discard(path: Path) -> bool:
    """Remove the index of a repository, unless somebody writes it just now; whether it is gone.

    Its lock stays: who waits for it or has it, and who opens it next, must mean the same file.
    """
    if not path.parent.exists():
        return True
    lock = Lock(path)
    try:
        if not lock.take():
            return False
        _unlink(path, "", "-wal", "-shm")
        return True
    finally:
        lock.close()


def discard_for_good(path: Path) -> bool:
    """The same with its lock, where there will never be an index of this repository again."""
    is_gone = discard(path)
    if is_gone:
        _unlink(path, "-lock")
    return is_gone


def _unlink(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


class Lock:
    """Keeps what is unused from being freed while somebody may be about to use it.

    Writers share it; freeing needs it alone. The kernel gives it back for a process that died.
    It is a file of its own: closing any descriptor of the index would undo SQLite's locks.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = path.with_name(path.name + "-lock")
        self._descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def share(self) -> None:
        """Wait until nothing is being freed."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def take(self) -> bool:
        """Have it alone, if nobody writes."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give it back."""
        os.close(self._descriptor)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        for pragma in (
            f"page_size = {PAGE_BYTES}",
            "auto_vacuum = incremental",
            "journal_mode = wal",
            "synchronous = normal",
            "secure_delete = off",
            f"cache_size = -{CACHE_KIB}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            "journal_size_limit = 16777216",
        ):
            connection.execute(f"pragma {pragma}")
        connection.execute("begin immediate")
        if _version(connection) != VERSION:
            _create(connection)
        connection.execute("commit")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables in an open transaction; raises DatabaseError where others are there."""
    found = connection.execute("select count(*) from sqlite_master").fetchone()
    if found[0]:
        raise sqlite3.DatabaseError("an index of another version")
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"pragma user_version = {VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("pragma user_version").fetchone()
    return int(version)
