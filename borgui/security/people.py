"""Who makes this request: a signed-in person or the owner of a token. One core select, no ORM."""

from dataclasses import dataclass

from flask import Request
from sqlalchemy import select

from borgui.models import Session, Token, User, now, reading
from borgui.security import tokens
from borgui.security.permissions import Permission, Role, allows

BEARER = "bearer "


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


_BY_ID = select(User.id, User.username, User.role, User.session_version)


def of_user(user: User) -> Person:
    """The person of a row."""
    return Person(user.id, user.username, Role(user.role), user.session_version)


def of_session(session_id: str) -> Person | None:
    """The person whose session says ``session_id`` (see :meth:`Person.get_id`)."""
    number, _, version = session_id.partition(":")
    if not (number.isdecimal() and version.isdecimal()):
        return None
    with reading():
        row = Session.execute(
            _BY_ID.where(User.id == int(number), User.session_version == int(version))
        ).one_or_none()
    return Person(row[0], row[1], Role(row[2]), row[3]) if row else None


def bearer_token(request: Request) -> str | None:
    """The token of ``Authorization: Bearer …``; None with any other scheme or no header."""
    header = request.headers.get("Authorization", "")
    return header[len(BEARER) :].strip() if header[: len(BEARER)].lower() == BEARER else None


def of_token(token: str) -> Person | None:
    """The owner of a token that has not expired."""
    with reading():
        row = Session.execute(
            tokens.LOOK_UP.where(Token.digest == tokens.digest(token))
        ).one_or_none()
    if row is None or (row.expires_at is not None and row.expires_at <= now()):
        return None
    Session.rollback()  # the read is over; the note below is a transaction of its own
    tokens.note_use(Session.get_bind(), row.token_id, row.last_used_at)  # type: ignore[arg-type]
    return Person(row.id, row.username, Role(row.role), row.session_version, row.token_id)
