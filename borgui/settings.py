"""What an admin may set, checked; the form and the API share it."""

from dataclasses import asdict
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field
from sqlalchemy.orm import Session

from borgui.models import Settings, read_settings, write_settings
from borgui.validation import Input


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("This is no zone of the IANA list, such as Europe/Berlin.")
    return name


class SettingsChange(Input):
    """Fields as in :class:`borgui.models.Settings`; what is not given stays."""

    timezone: Annotated[str, Field(max_length=64), AfterValidator(_zone)] | None = None
    log_retention_jobs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    retry_limit: Annotated[int, Field(ge=0, le=20)] | None = None
    retry_delay_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None
    backup_time_limit_hours: Annotated[int, Field(ge=0, le=8_760)] | None = None
    backup_limit: Annotated[int, Field(ge=0, le=64)] | None = None
    auto_index: bool | None = None
    auto_index_idle_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    download_hours: Annotated[int, Field(ge=1, le=720)] | None = None


def change(session: Session, data: SettingsChange) -> Settings:
    """Store the fields that were given; returns all as they are now. Commits."""
    given: dict[str, Any] = data.model_dump(exclude_none=True)
    write_settings(session, given)
    session.commit()
    return read_settings(session)


def fields(settings: Settings) -> dict[str, Any]:
    """Every setting by name, as the API answers them."""
    return asdict(settings)
