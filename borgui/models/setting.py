"""What an admin may change while the product runs: ``system_settings``."""

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from borgui.models.base import Base
from borgui.roots import EVERYTHING


class SystemSetting(Base):
    """One changed setting; a setting without a row has its default."""

    __tablename__ = "system_settings"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default."""

    timezone: str = "UTC"
    """IANA zone in which archive names are dated and days are counted."""
    log_retention_jobs: int = 100
    """Finished jobs kept for each repository and kind; older ones go with their logs."""
    retry_limit: int = 3
    """Automatic tries after the first one for a cause that passes (lock held, connection lost)."""
    retry_delay_seconds: int = 60
    """Wait before the first automatic try; doubled for each further one."""
    backup_time_limit_hours: int = 0
    """A backup that runs longer is stopped and failed; 0 is no limit."""
    backup_limit: int = 0
    """Backups at once on one machine, within its job limit; 0 is no limit of its own."""
    auto_index: bool = True
    """Whether what a backup made is indexed by itself, once nothing else is to be done."""
    auto_index_idle_seconds: int = 60
    """How long a machine must have been idle for that."""
    download_hours: int = 24
    """How long a prepared download is kept."""
    source_roots: tuple[str, ...] = EVERYTHING
    """Folders that everything backed up lies in; ``/`` is no limit."""
    restore_roots: tuple[str, ...] = EVERYTHING
    """Folders that everything restored comes to lie in; ``/`` is no limit."""


def read_settings(session: Session) -> Settings:
    """The settings as they are now."""
    known = {field.name for field in fields(Settings)}
    rows = session.query(SystemSetting).all()
    values = {row.key: row.value for row in rows if row.key in known}
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Settings(**values | lists)


def write_settings(session: Session, changes: dict[str, Any]) -> None:
    """Store ``changes`` (already checked); the caller commits."""
    for key, value in changes.items():
        session.merge(SystemSetting(key=key, value=value))
