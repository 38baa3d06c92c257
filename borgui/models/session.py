"""The database: its engine, and one session a thread.

The engine says BEGIN itself. Left to Python's sqlite3, a read-modify-write loses updates silently;
BEGIN IMMEDIATE takes the write lock first. Reads say plain BEGIN and never wait for a writer.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.pool import QueuePool

from borgui.models.types import Secret
from borgui.security.sealing import Sealer

Session: scoped_session[OrmSession] = scoped_session(sessionmaker(expire_on_commit=False))
"""The session of this thread; :func:`configure` gives it its engine."""

BUSY_SECONDS = 10
"""How long a transaction waits for another that writes."""
PAUSE = 0.0005
"""Seconds between two looks whether the write lock is free."""

_turn = threading.Lock()
"""Of the thread that looks whether the write lock is free; not of the one that has it."""

_reading: ContextVar[bool] = ContextVar("reading", default=False)


def configure(url: str, sealer: Sealer) -> Engine:
    """Point :data:`Session` at the database ``url``, its secrets at ``sealer``."""
    Secret.sealer = sealer
    engine = _engine(url)
    Session.remove()
    Session.configure(bind=engine)
    os.register_at_fork(after_in_child=lambda: _leave_to_parent(engine))
    return engine


def _leave_to_parent(engine: Engine) -> None:
    """In a fork: use none of the parent's connections. Most forks inherit none: then a new pool
    would only take memory."""
    pool = engine.pool
    if not isinstance(pool, QueuePool) or pool.checkedin() or pool.checkedout():
        engine.dispose(close=False)


def engine() -> Engine:
    """The engine :func:`configure` made."""
    found: Engine = Session.session_factory.kw["bind"]
    return found


@contextmanager
def reading() -> Iterator[None]:
    """Within it, transactions begin without SQLite's write lock."""
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


def begin_reading() -> None:
    """As :func:`reading`, for the rest of this context (a web request that only reads)."""
    _reading.set(True)


def end_reading() -> None:
    """The opposite of :func:`begin_reading`."""
    _reading.set(False)


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(
        url, connect_args={"timeout": BUSY_SECONDS}, pool_size=10, max_overflow=20
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_SECONDS * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    if _reading.get():
        connection.exec_driver_sql("BEGIN")
        return
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA busy_timeout=0")
    try:
        _begin_writing(connection, raw)
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")


def _begin_writing(connection: Connection, raw: Any) -> None:
    """Take the write lock; raises SQLAlchemy's error when ``BUSY_SECONDS`` were not enough.

    SQLite's own wait looks ever more rarely, in the end ten times a second: of twenty writers at
    once (6 ms each) the last then got in after 1.2 s, and with this after 0.14. One thread looks at
    a time: where sixteen did, twenty starts at once took 1.4 to 2 times as much processor time.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    if _turn.acquire(timeout=BUSY_SECONDS):
        try:
            if _took_lock(raw, deadline):
                return
        finally:
            _turn.release()
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails as SQLAlchemy says it


def _took_lock(raw: Any, deadline: float) -> bool:
    """False when it was not free until then, or when something else is wrong."""
    while time.monotonic() < deadline:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                return False
            time.sleep(PAUSE)
        else:
            return True
    return False
