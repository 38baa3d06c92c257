"""Who makes this request: a signed-in person or the owner of a token. One core select, no ORM."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Request
from sqlalchemy import bindparam, event, select
from sqlalchemy.orm import Session as OrmSession

from borgui.models import Session, SignIn, Token, User, now
from borgui.models.session import engine
from borgui.security import tokens
from borgui.security.lookup import Lookup
from borgui.security.permissions import Permission, Role, allows

BEARER = "bearer "
KNOWN_SECONDS = 1.0
"""How long the person of a session is remembered. What this process commits counts at once, what
another one does (``borgui user``) after that time at the latest."""
MOST_KNOWN = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """A person as requests know them, by the key of their sign-in or by a token."""

    id: int
    username: str
    role: Role
    sign_in: str | None = None
    token_id: int | None = None

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str | None:
        """What the session cookie carries; worthless once the sign-in has ended."""
        return self.sign_in

    def may(self, permission: Permission) -> bool:
        """Whether this person's role grants ``permission``."""
        return allows(self.role, permission)


_BY_SIGN_IN = Lookup(
    select(User.id, User.username, User.role, SignIn.expires_at)
    .join(User, User.id == SignIn.user_id)
    .where(SignIn.key == bindparam("key"))
)
_BY_TOKEN = Lookup(
    select(
        User.id,
        User.username,
        User.role,
        Token.id.label("token_id"),
        Token.expires_at,
        Token.last_used_at,
    )
    .join(User, User.id == Token.user_id)
    .where(Token.digest == bindparam("digest"))
)


_known: dict[str, tuple[Person, float]] = {}
"""By the key of the sign-in, and until when (monotonic)."""


@event.listens_for(Session, "after_commit")
def _forget(_session: OrmSession) -> None:
    """Somebody's role or password may have changed."""
    _known.clear()


def of_sign_in(key: str) -> Person | None:
    """The person who is signed in with this key."""
    known = _known.get(key)
    if known is not None and time.monotonic() < known[1]:
        return known[0]
    row = _BY_SIGN_IN.first(engine(), key=key)
    if row is None or row[3] <= now():
        return None
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    person = Person(row[0], row[1], Role(row[2]), sign_in=key)
    _known[key] = person, time.monotonic() + KNOWN_SECONDS
    return person


def identify(request: Request, session: Mapping[str, Any]) -> Person | None:
    """Who makes this request: the owner of its token, else (and only without one) its session's."""
    token = bearer_token(request)
    if token is not None:
        return of_token(token)
    key = sign_in_key(session)
    return None if key is None else of_sign_in(key)


def sign_in_key(session: Mapping[str, Any]) -> str | None:
    """The key of the sign-in a session belongs to (Flask-Login keeps it there)."""
    key = session.get("_user_id")
    return key if isinstance(key, str) else None


def bearer_token(request: Request) -> str | None:
    """The token of ``Authorization: Bearer …``; None with any other scheme or no header."""
    header: str = request.environ.get("HTTP_AUTHORIZATION", "")
    return header[len(BEARER) :].strip() if header[: len(BEARER)].lower() == BEARER else None


def of_token(token: str) -> Person | None:
    """The owner of a token that has not expired."""
    digest = tokens.digest(token)
    row = _BY_TOKEN.first(engine(), digest=digest)
    if row is None:
        return None
    token_id, expires_at, last_used_at = row[3:6]
    if expires_at is not None and expires_at <= now():
        return None
    tokens.note_use(engine(), digest, last_used_at)
    return Person(row[0], row[1], Role(row[2]), token_id=token_id)
