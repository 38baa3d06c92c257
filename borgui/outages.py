"""What is wrong when the database, Redis or a disk fails, as a code and a sentence to act on.

Each answers None for an error that is no outage but a fault of ours.
"""

import errno
import sqlite3

import redis
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from borgui.errors import Unavailable

DISK_FULL = (
    "disk_full",
    (
        "The disk that borgui keeps its data on is full. Nothing was changed. Free some space "
        "there; nothing needs to be restarted."
    ),
)
READ_ONLY = (
    "disk_read_only",
    (
        "The disk that borgui keeps its data on cannot be written. Nothing was changed. Look at "
        "the disk and how it is mounted."
    ),
)
DAMAGED = (
    "database_damaged",
    (
        "The database is damaged or cannot be read from its disk. Look at the disk; a copy of the "
        "database can be put back."
    ),
)
AWAY = (
    "database_unavailable",
    "The database cannot be used just now: it is busy or away. Try again in a moment.",
)
NO_QUEUE = (
    "queue_unavailable",
    "The queue (Redis) cannot be reached just now. Nothing was started.",
)
QUEUE_FULL = (
    "queue_unavailable",
    (
        "The queue (Redis) takes nothing: it has no space on its disk or in memory. Nothing was "
        "started. Free some space."
    ),
)

_OF_SQLITE = {
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: DAMAGED,
}
_OF_POSTGRES = {"53100": DISK_FULL, "25006": READ_ONLY}
"""By SQLSTATE: disk_full, read_only_sql_transaction."""
_OF_SYSTEM = {errno.ENOSPC: DISK_FULL, errno.EDQUOT: DISK_FULL, errno.EROFS: READ_ONLY}


def of_database(error: Exception) -> Unavailable | None:
    """For SQLAlchemy's errors, and SQLite's own where it is asked directly."""
    if isinstance(error, PoolTimeout):
        return Unavailable(*AWAY)
    raw = error.orig if isinstance(error, DBAPIError) else error
    found = _OF_SQLITE.get(getattr(raw, "sqlite_errorcode", 0) & 0xFF)
    found = found or _OF_POSTGRES.get(getattr(raw, "sqlstate", None) or "")
    if found is None and isinstance(error, OperationalError | sqlite3.OperationalError):
        found = AWAY
    if found is None and type(error) is DatabaseError:
        found = DAMAGED
    return Unavailable(*found) if found else None


def of_redis(error: redis.RedisError) -> Unavailable | None:
    """A Redis that refuses to write (MISCONF, OOM) answers, but is of no use."""
    if not isinstance(error, redis.ConnectionError | redis.TimeoutError | redis.ResponseError):
        return None
    is_full = any(word in str(error) for word in ("MISCONF", "OOM command"))
    return Unavailable(*(QUEUE_FULL if is_full else NO_QUEUE))


def of_system(error: OSError) -> Unavailable | None:
    """For a file of ours that cannot be written."""
    found = _OF_SYSTEM.get(error.errno or 0)
    return Unavailable(*found) if found else None
