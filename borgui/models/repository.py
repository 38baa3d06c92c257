"""A repository: where it lies, how it is opened, and what a backup into it holds."""

import hashlib
import os
from datetime import datetime

from sqlalchemy import JSON, BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from borgui.borg.names import DEFAULT_TEMPLATE
from borgui.borg.output import CacheStats
from borgui.models.archive import Archive
from borgui.models.base import Base, now
from borgui.models.types import Instant, PathBytes, PathList, Secret


class Repository(Base):
    """``status`` is ``pending`` until its init or import job ends, then ``ready`` or ``error``."""

    __tablename__ = "repositories"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's own

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(150), unique=True)
    machine: Mapped[str] = mapped_column(String(64), default="local")
    path: Mapped[str] = mapped_column(PathBytes)
    lane: Mapped[str] = mapped_column(String(200), unique=True)
    """What jobs queue for: ``id:`` and borg's repository id, or the place before that is known."""
    place: Mapped[str] = mapped_column(String(200), unique=True)
    """Machine and path as one key, so that one path cannot be added twice."""
    borg_id: Mapped[str | None] = mapped_column(String(64))
    mode: Mapped[str] = mapped_column(String(10), default="create")
    """How it came here: ``create`` or ``import``."""
    status: Mapped[str] = mapped_column(String(10), default="pending")
    error_message: Mapped[str | None] = mapped_column(Text)

    encryption: Mapped[str | None] = mapped_column(String(32))
    """Borg's mode; None until an import has read it."""
    passphrase: Mapped[str | None] = mapped_column(
        Secret, deferred=True, deferred_group="passphrases"
    )
    passphrase_next: Mapped[str | None] = mapped_column(
        Secret, deferred=True, deferred_group="passphrases"
    )
    """A new passphrase whose change has not been confirmed; both are tried."""
    key: Mapped[str | None] = mapped_column(Secret, deferred=True)
    """A keyfile given at import, put in place by the import job."""
    accept_unencrypted: Mapped[bool] = mapped_column(default=False)
    accept_relocated: Mapped[bool] = mapped_column(default=False)

    source_directories: Mapped[list[str]] = mapped_column(PathList, default=list)
    exclude_patterns: Mapped[list[str]] = mapped_column(JSON, default=list)
    exclude_if_present: Mapped[list[str]] = mapped_column(JSON, default=list)
    exclude_caches: Mapped[bool] = mapped_column(default=False)
    one_file_system: Mapped[bool] = mapped_column(default=False)
    compression: Mapped[str] = mapped_column(String(64), default="lz4")
    extra_flags: Mapped[str] = mapped_column(Text, default="")
    archive_name_template: Mapped[str] = mapped_column(String(200), default=DEFAULT_TEMPLATE)
    include_secret_key: Mapped[bool] = mapped_column(default=False)
    """Whether a backup of the product's own data folder holds its secret key."""

    total_size: Mapped[int | None] = mapped_column(BigInteger)
    total_csize: Mapped[int | None] = mapped_column(BigInteger)
    unique_size: Mapped[int | None] = mapped_column(BigInteger)
    unique_csize: Mapped[int | None] = mapped_column(BigInteger)
    """Borg's statistics of the whole repository; ``unique_csize`` is what it takes on disk."""
    refreshed_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)

    archives: Mapped[list[Archive]] = relationship(
        back_populates="repository", cascade="all, delete-orphan", passive_deletes=True
    )

    @staticmethod
    def place_of(machine: str, path: str) -> str:
        """The key of a path on a machine: equal for two spellings of the same path."""
        canonical = path if "://" in path else os.path.normpath(path)
        digest = hashlib.sha256(os.fsencode(canonical)).hexdigest()
        return f"place:{machine}:{digest}"

    def apply_cache_stats(self, stats: CacheStats) -> None:
        """Take over borg's statistics of the whole repository."""
        self.total_size = stats.total_size
        self.total_csize = stats.total_csize
        self.unique_size = stats.unique_size
        self.unique_csize = stats.unique_csize
