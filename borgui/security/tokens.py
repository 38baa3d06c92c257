"""API tokens: random, shown once, kept as a SHA-256 digest (they hold 256 bits: no salt needed)."""

import hashlib
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from borgui.models import Token, now, reading

PREFIX = "borgui_"
LOGIN_NAME = "Sign-in"
"""Of a token that stands for a session: one made with name and password."""
LOGIN_LIFETIME = timedelta(days=30)
NOTE_USE_EVERY = timedelta(minutes=1)
TRY_SECONDS = 1.0
_next_try: dict[str, float] = {}
"""By the digest of a token that counts, when this process may note its use (monotonic)."""

log = logging.getLogger("borgui.security")


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def issue(
    session: Session, user_id: int, name: str, expires_at: datetime | None
) -> tuple[Token, str]:
    """Add a token for a person; returns its row and the token itself. The caller commits."""
    token = PREFIX + secrets.token_urlsafe(32)
    row = Token(
        user_id=user_id,
        name=name,
        digest=digest(token),
        hint=token[: len(PREFIX) + 5],
        expires_at=expires_at,
    )
    session.add(row)
    return row, token


def forget_expired(session: Session, user_id: int) -> None:
    """Remove a person's tokens that no longer open anything. The caller commits."""
    session.query(Token).where(Token.user_id == user_id, Token.expires_at < now()).delete()


def end_sign_ins(session: Session, user_id: int) -> int:
    """Remove the tokens a person signed in for; how many others stay. The caller commits."""
    theirs = session.query(Token).where(Token.user_id == user_id)
    theirs.where(Token.name == LOGIN_NAME).delete()
    return theirs.count()


def of_user(session: Session, user_id: int) -> list[Token]:
    """A person's own tokens, newest first."""
    statement = select(Token).where(Token.user_id == user_id).order_by(Token.id.desc())
    return list(session.scalars(statement))


def note_use(engine: Engine, token_digest: str, last_used_at: datetime | None) -> None:
    """Remember that a token was used, at most once a minute.

    Of its own connection and without waiting: the request that brought the token must not fail,
    nor wait, because another process writes.
    """
    moment = now()
    if last_used_at is not None and moment - last_used_at < NOTE_USE_EVERY:
        return
    if time.monotonic() < _next_try.get(token_digest, 0.0):
        return  # of many requests at once, one is enough
    _next_try[token_digest] = time.monotonic() + TRY_SECONDS
    try:
        with _impatient(engine) as connection:
            connection.execute(
                update(Token).where(Token.digest == token_digest).values(last_used_at=moment)
            )
            connection.commit()
    except OperationalError as error:
        log.info("the use of a token was not noted: %s", error.orig)


@contextmanager
def _impatient(engine: Engine) -> Iterator[Connection]:
    """A connection that does not wait for SQLite's write lock."""
    with reading(), engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            yield connection
            return
        before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        connection.exec_driver_sql("PRAGMA busy_timeout = 0")
        try:
            yield connection
        finally:
            connection.rollback()  # of a commit that failed, say on a full disk
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(before)}")
