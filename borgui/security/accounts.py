"""Accounts made or mended from the command line."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui.errors import Invalid
from borgui.models import User
from borgui.security import sign_ins, tokens
from borgui.security.passwords import hash_password, objection
from borgui.security.permissions import Role


def set_account(session: Session, username: str, password: str, role: str | None) -> str:
    """Make the account, or give it this password (and role); says what was done. Commits.

    Every session of an account that is changed ends; the API tokens it has made stay, and are
    counted. Raises :class:`Invalid`.
    """
    problem = objection(password)
    if problem:
        raise Invalid({"password": problem}, problem)
    user = session.scalar(select(User).where(User.username == username))
    done = "changed"
    if user is None:
        done = "made"
        user = User(username=username, role=role or Role.ADMIN)
        session.add(user)
    user.password_hash = hash_password(password)
    user.role = role or user.role
    session.flush()
    sign_ins.end_all(session, user.id)
    kept = tokens.end_sign_ins(session, user.id)
    session.commit()
    said = f"The account {username} ({user.role}) was {done}."
    if kept:
        said += f" It has API tokens that still open everything it may do: {kept}."
    return said
