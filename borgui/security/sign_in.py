"""Whether a name and a password belong together, at a rate no one can guess at."""

import redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui.extensions import throttle
from borgui.models import User, now, reading
from borgui.security import passwords


def check_credentials(
    session: Session, client: redis.Redis, address: str | None, username: str, password: str
) -> User | None:
    """The person, or None when name or password is wrong. Notes the sign-in; the caller commits.

    Raises :class:`borgui.errors.TooMany`. While the password is hashed no transaction is open:
    it takes a tenth of a second, and nobody else could write in it.
    """
    place = address or "unknown"
    throttle.attempt(client, place, username)
    found = _find(session, username)
    if not passwords.verify(found[1] if found else None, password) or found is None:
        return None
    throttle.succeeded(client, place, username)
    user = session.get(User, found[0])
    if user is not None:
        user.last_login_at = now()
    return user


def _find(session: Session, username: str) -> tuple[int, str] | None:
    if not username.isprintable():
        return None
    with reading():
        row = session.execute(
            select(User.id, User.password_hash).where(User.username == username)
        ).one_or_none()
    session.rollback()
    return (row[0], row[1]) if row else None
