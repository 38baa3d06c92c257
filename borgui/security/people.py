"""Who makes this request: a signed-in person or the owner of a token. One core select, no ORM."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Request
from sqlalchemy import bindparam, event, select
from sqlalchemy.orm import Session as OrmSession

from borgui.models import Session, Token, User, now
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
    """A person as requests know them; ``token_id`` is set when a token speaks for them."""

    id: int
    username: str
    role: Role
    session_version: int
    token_id: int | None = None

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """What the session cookie carries; a raised ``session_version`` makes it worthless."""
        return f"{self.id}:{self.session_version}"

    def may(self, permission: Permission) -> bool:
        """Whether this person's role grants ``permission``."""
        return allows(self.role, permission)


_BY_SESSION = Lookup(
    select(User.id, User.username, User.role, User.session_version).where(
        User.id == bindparam("id"), User.session_version == bindparam("version")
    )
)
_BY_TOKEN = Lookup(
    select(
        User.id,
        User.username,
        User.role,
        User.session_version,
        Token.id.label("token_id"),
        Token.expires_at,
        Token.last_used_at,
    )
    .join(User, User.id == Token.user_id)
    .where(Token.digest == bindparam("digest"))
)


_known: dict[str, tuple[Person, float]] = {}
"""By session id, and until when (monotonic)."""


@event.listens_for(Session, "after_commit")
def _forget(_session: OrmSession) -> None:
    """Somebody's role or password may have changed."""
    _known.clear()


def of_user(user: User) -> Person:
    """The person of a row."""
    return Person(user.id, user.username, Role(user.role), user.session_version)


def of_session(session_id: str) -> Person | None:
    """The person whose session says ``session_id`` (see :meth:`Person.get_id`)."""
    known = _known.get(session_id)
    if known is not None and time.monotonic() < known[1]:
        return known[0]
    number, _, version = session_id.partition(":")
    if not (number.isdecimal() and version.isdecimal()):
        return None
    row = _BY_SESSION.first(engine(), id=int(number), version=int(version))
    if row is None:
        return None
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    person = _person(row)
    _known[session_id] = person, time.monotonic() + KNOWN_SECONDS
    return person


def identify(request: Request, session: Mapping[str, Any]) -> Person | None:
    """Who makes this request: the owner of its token, else (and only without one) its session's."""
    token = bearer_token(request)
    if token is not None:
        return of_token(token)
    session_id = session.get("_user_id")
    return of_session(session_id) if isinstance(session_id, str) else None


def bearer_token(request: Request) -> str | None:
    """The token of ``Authorization: Bearer …``; None with any other scheme or no header."""
    header: str = request.environ.get("HTTP_AUTHORIZATION", "")
    return header[len(BEARER) :].strip() if header[: len(BEARER)].lower() == BEARER else None


def of_token(token: str) -> Person | None:
    """The owner of a token that has not expired."""
    row = _BY_TOKEN.first(engine(), digest=tokens.digest(token))
    if row is None:
        return None
    expires_at, last_used_at = row[5:7]
    if expires_at is not None and expires_at <= now():
        return None
    tokens.note_use(engine(), row[4], last_used_at)
    return _person(row)


def _person(row: Any) -> Person:
    return Person(row[0], row[1], Role(row[2]), row[3], row[4] if len(row) > 4 else None)
