"""What borg prints on stdout with ``--json``, as values. Sizes in bytes, times aware in UTC.

Borg 1.x prints local times without a zone; it runs with ``TZ=UTC``, so naive means UTC.
Parsers look at the fields that are there, never at borg's version.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


class OutputError(ValueError):
    """Borg's stdout is not the object that was asked for; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class ArchiveStats:
    """Of one archive. ``deduplicated_size``: new compressed bytes that only it holds.

    ``create`` counts the archive's own metadata into all three sizes, ``info`` leaves it out of
    the first two (measured on 1.2.4), so the figures of one archive differ a little.
    """

    original_size: int
    compressed_size: int
    deduplicated_size: int
    nfiles: int


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive. ``stats`` and ``duration`` (seconds) are None in a ``list``."""

    borg_id: str
    name: str
    start: datetime
    end: datetime | None = None
    duration: float | None = None
    stats: ArchiveStats | None = None
    comment: str = ""
    hostname: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Of the whole repository. ``unique_csize`` is the space its data takes."""

    total_size: int
    total_csize: int
    unique_size: int
    unique_csize: int


@dataclass(frozen=True, slots=True)
class Repository:
    """``borg_id``: 64 hex digits. ``encryption``: borg's mode name, e.g. ``repokey-blake2``."""

    borg_id: str
    encryption: str
    cache: CacheStats | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """The answer of ``create``: the proof that the archive exists."""

    archive: Archive
    stats: ArchiveStats
    repository: Repository


@dataclass(frozen=True, slots=True)
class Listed:
    """The answer of ``list`` or ``info``; ``archives`` is empty for a repository's ``info``."""

    repository: Repository
    archives: tuple[Archive, ...]


def parse_create(stdout: bytes) -> Created:
    """Parse the object of ``create --json``; raises :class:`OutputError`."""
    data = _load(stdout)
    archive = _archive(_object(data, "archive"))
    if archive.stats is None:
        raise OutputError("borg's answer has no archive.stats")
    return Created(archive, archive.stats, _repository(data))


def parse_list(stdout: bytes) -> Listed:
    """Parse the object of ``list --json`` of a repository; raises :class:`OutputError`."""
    data = _load(stdout)
    return Listed(_repository(data), _archives(data.get("archives")))


def parse_info(stdout: bytes) -> Listed:
    """Parse ``info --json``, of a repository or of archives; raises :class:`OutputError`."""
    data = _load(stdout)
    return Listed(_repository(data), _archives(data.get("archives", [])))


def parse_time(text: str) -> datetime:
    """Parse borg's time (``2026-11-23T18:29:08.000000``); raises :class:`OutputError`."""
    try:
        value = datetime.fromisoformat(text)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise OutputError(f"not a time: {text[:60]!r}") from error


def _load(stdout: bytes) -> dict[str, Any]:
    try:
        data = json.loads(stdout)
    except (ValueError, RecursionError) as error:
        raise OutputError(f"borg printed no JSON object but {stdout[:80]!r}") from error
    if not isinstance(data, dict):
        raise OutputError(f"borg printed no JSON object but {stdout[:80]!r}")
    return data


def _archives(value: object) -> tuple[Archive, ...]:
    if not isinstance(value, list):
        raise OutputError("borg's answer has no list of archives")
    found = []
    for item in value:
        if not isinstance(item, dict):
            raise OutputError("an archive in borg's answer is no object")
        found.append(_archive(item))
    return tuple(found)


def _archive(data: Mapping[str, Any]) -> Archive:
    end = data.get("end")
    duration = data.get("duration")
    stats = data.get("stats")
    return Archive(
        borg_id=_string(data, "id"),
        name=_string(data, "name"),
        start=parse_time(_string(data, "start")),
        end=parse_time(end) if isinstance(end, str) and end else None,
        duration=_number(duration),
        stats=_archive_stats(stats) if isinstance(stats, dict) else None,
        comment=_clean(data.get("comment")),
        hostname=_clean(data.get("hostname")),
        username=_clean(data.get("username")),
    )


def _archive_stats(data: Mapping[str, Any]) -> ArchiveStats:
    return ArchiveStats(
        original_size=_integer(data, "original_size"),
        compressed_size=_integer(data, "compressed_size"),
        deduplicated_size=_integer(data, "deduplicated_size"),
        nfiles=_integer(data, "nfiles"),
    )


def _repository(data: Mapping[str, Any]) -> Repository:
    repository = _object(data, "repository")
    encryption = _object(data, "encryption")
    cache = data.get("cache")
    stats = cache.get("stats") if isinstance(cache, dict) else None
    return Repository(
        borg_id=_string(repository, "id"),
        encryption=_string(encryption, "mode"),
        cache=_cache_stats(stats) if isinstance(stats, dict) else None,
    )


def _cache_stats(data: Mapping[str, Any]) -> CacheStats:
    return CacheStats(
        total_size=_integer(data, "total_size"),
        total_csize=_integer(data, "total_csize"),
        unique_size=_integer(data, "unique_size"),
        unique_csize=_integer(data, "unique_csize"),
    )


def _object(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    if not isinstance(value, dict):
        raise OutputError(f"borg's answer has no object {key!r}")
    return value


def _string(data: Mapping[str, Any], key: str) -> str:
    value = _clean(data.get(key))
    if not value:
        raise OutputError(f"borg's answer has no text {key!r}")
    return value


def _integer(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise OutputError(f"borg's answer has no whole number {key!r}")
    return value


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _clean(value: object) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
