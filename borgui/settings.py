"""What an admin may set, checked; the form and the API share it."""

from dataclasses import asdict
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field
from sqlalchemy.orm import Session

from borgui import roots
from borgui.borg.undecodable import is_utf8
from borgui.models import Settings, read_settings, write_settings
from borgui.validation import Input, PathText


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("This is no zone of the IANA list, such as Europe/Berlin.")
    return name


def _root(path: str) -> str:
    if not path.startswith("/") or not is_utf8(path):
        raise ValueError("A root is an absolute path; it begins with a slash and is UTF-8.")
    if ".." in path.split("/"):
        raise ValueError("A root may not hold .. as a part.")
    return roots.canonical(path)


def _each_once(paths: list[str]) -> list[str]:
    return list(dict.fromkeys(paths))


Roots = Annotated[
    list[Annotated[PathText, AfterValidator(_root)]],
    Field(min_length=1, max_length=100),
    AfterValidator(_each_once),
]
"""Folders, at least one; ``/`` is all there is."""


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
    source_roots: Roots | None = None
    restore_roots: Roots | None = None


NAMING = ("source_roots", "restore_roots")
"""Those that name folders."""


def change(session: Session, data: SettingsChange) -> Settings:
    """Store the fields that were given; returns all as they are now. Commits."""
    given: dict[str, Any] = data.model_dump(exclude_none=True)
    write_settings(session, given)
    session.commit()
    return read_settings(session)


def fields(settings: Settings, *, browse: bool = True) -> dict[str, Any]:
    """Every setting by name, as the API answers them; without ``browse`` no folder is named."""
    values = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
    }
    return values if browse else values | dict.fromkeys(NAMING)
