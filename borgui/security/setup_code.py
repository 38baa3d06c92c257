"""The first account: from ``BORGUI_ADMIN_PASSWORD``, or by a code printed at start."""

import hashlib
import hmac
import secrets

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from borgui.config import Config
from borgui.models import SystemSetting, User
from borgui.security.passwords import hash_password
from borgui.security.permissions import Role

KEY = "setup_code"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without those that look alike."""


def has_users(session: Session) -> bool:
    """Whether anybody can sign in."""
    return session.scalar(select(User.id).limit(1)) is not None


def ensure_first_admin(session: Session, config: Config) -> str | None:
    """Called once at start. Commits.

    With no user yet: creates ``admin`` when ``BORGUI_ADMIN_PASSWORD`` is set, else returns a
    new one-time code to print (80 bits; the one before it is void). None when all is set up.
    """
    if has_users(session):
        session.execute(delete(SystemSetting).where(SystemSetting.key == KEY))
        session.commit()
        return None
    if config.admin_password is not None:
        _add_admin(session, "admin", config.admin_password)
        session.execute(delete(SystemSetting).where(SystemSetting.key == KEY))
        session.commit()
        return None
    code = "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
    session.merge(SystemSetting(key=KEY, value=_digest(code)))
    session.commit()
    return code


def claim(session: Session, code: str, username: str, password: str) -> User | None:
    """Make the first admin when ``code`` is right; None when it is not, or was used. Commits."""
    stored = session.scalar(select(SystemSetting.value).where(SystemSetting.key == KEY))
    if not isinstance(stored, str) or not hmac.compare_digest(stored, _digest(code)):
        session.rollback()
        return None
    used = session.execute(delete(SystemSetting).where(SystemSetting.key == KEY))
    if used.rowcount != 1 or session.scalar(select(func.count(User.id))):  # type: ignore[attr-defined]
        session.rollback()
        return None
    user = _add_admin(session, username, password)
    session.commit()
    return user


def _add_admin(session: Session, username: str, password: str) -> User:
    user = User(username=username, password_hash=hash_password(password), role=Role.ADMIN)
    session.add(user)
    session.flush()
    return user


def _digest(code: str) -> str:
    plain = "".join(code.split()).replace("-", "").upper()
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()
