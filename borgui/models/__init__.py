"""Rows: what SQLite (or PostgreSQL) remembers. No Flask and no RQ in here."""

from borgui.models.archive import Archive
from borgui.models.base import Base, now
from borgui.models.repository import Repository
from borgui.models.session import Session, reading
from borgui.models.setting import Settings, SystemSetting, read_settings, write_settings
from borgui.models.user import SignIn, Token, User

__all__ = [
    "Archive",
    "Base",
    "Repository",
    "Session",
    "Settings",
    "SignIn",
    "SystemSetting",
    "Token",
    "User",
    "now",
    "read_settings",
    "reading",
    "write_settings",
]
