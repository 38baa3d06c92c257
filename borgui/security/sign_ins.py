"""Where people are signed in with a browser: a row each, which sign-out removes.

A cookie alone cannot be taken back: a copy of it would open everything until it expires.
"""

import secrets
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from borgui.models import SignIn, now

LIFETIME = timedelta(days=30)


def begin(session: Session, user_id: int) -> str:
    """Sign a person in: the key for their session. The caller commits."""
    session.execute(delete(SignIn).where(SignIn.user_id == user_id, SignIn.expires_at < now()))
    row = SignIn(key=secrets.token_urlsafe(32), user_id=user_id, expires_at=now() + LIFETIME)
    session.add(row)
    return row.key


def end(session: Session, key: str | None) -> None:
    """Sign out what has this key, if it is still signed in. The caller commits."""
    session.execute(delete(SignIn).where(SignIn.key == key))


def end_all(session: Session, user_id: int) -> None:
    """Sign a person out everywhere. The caller commits."""
    session.execute(delete(SignIn).where(SignIn.user_id == user_id))
