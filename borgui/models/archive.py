"""An archive as borg described it."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from borgui.models.base import Base
from borgui.models.types import Instant

if TYPE_CHECKING:
    from borgui.models.repository import Repository


class Archive(Base):
    """One archive of a repository; sizes in bytes, None where borg was not asked."""

    __tablename__ = "archives"
    __table_args__ = (
        UniqueConstraint("repository_id", "borg_id"),
        Index("ix_archives_newest", "repository_id", "start"),
        {"sqlite_autoincrement": True},  # an id that was used never means another row
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"))
    job_id: Mapped[int | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    """The backup that made it; None for one found by an import or refresh."""
    name: Mapped[str] = mapped_column(Text)
    borg_id: Mapped[str] = mapped_column(String(64))
    start: Mapped[datetime] = mapped_column(Instant)
    end: Mapped[datetime | None] = mapped_column(Instant)
    nfiles: Mapped[int | None] = mapped_column(BigInteger)
    original_size: Mapped[int | None] = mapped_column(BigInteger)
    compressed_size: Mapped[int | None] = mapped_column(BigInteger)
    deduplicated_size: Mapped[int | None] = mapped_column(BigInteger)
    comment: Mapped[str] = mapped_column(Text, default="")
    hostname: Mapped[str] = mapped_column(Text, default="")
    username: Mapped[str] = mapped_column(Text, default="")

    repository: Mapped["Repository"] = relationship(back_populates="archives")
