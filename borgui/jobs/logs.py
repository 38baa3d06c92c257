"""A job's log, wherever it is: the file on this machine, Redis's tail, or the ended job's row.

Offsets count bytes of the whole log from 0, whichever of the three answers.
"""

from dataclasses import dataclass
from pathlib import Path

import redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui import live
from borgui.config import Config
from borgui.jobs.job import Job

CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """``data`` are the bytes from ``base`` on; ``base`` is beyond what was asked where the bytes
    before it are gone."""

    base: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset to ask for next."""
        return self.base + len(self.data)


def log_file(config: Config, job_id: int) -> Path:
    """Where the worker of this machine writes it."""
    return config.logs / f"{job_id}.log"


def read(
    session: Session,
    client: redis.Redis,
    config: Config,
    job_id: int,
    offset: int = 0,
    limit: int = CHUNK,
) -> Piece:
    """At most ``limit`` bytes from ``offset`` on; empty where there are none (yet)."""
    piece = _from_file(log_file(config, job_id), offset, limit)
    if piece is None:
        piece = _from_redis(client, job_id, offset, limit)
    if piece is None:
        piece = _from_row(session, job_id, offset, limit)
    return piece


def last(session: Session, client: redis.Redis, config: Config, job_id: int, most: int) -> Piece:
    """The last ``most`` bytes of what there is."""
    try:
        size = log_file(config, job_id).stat().st_size
    except OSError:
        whole = read(session, client, config, job_id, 0, 2**31)
        skip = max(len(whole.data) - most, 0)
        return Piece(whole.base + skip, whole.data[skip:])
    return read(session, client, config, job_id, max(size - most, 0), most)


def _from_file(path: Path, offset: int, limit: int) -> Piece | None:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return Piece(offset, file.read(limit))
    except OSError:
        return None  # another machine's job, or its log was retired: Redis or the row may have it


def _from_redis(client: redis.Redis, job_id: int, offset: int, limit: int) -> Piece | None:
    try:
        tail = live.read_tail(client, job_id, offset)
    except redis.RedisError:
        return None
    return None if tail is None else Piece(tail.base, tail.data[:limit])


def _from_row(session: Session, job_id: int, offset: int, limit: int) -> Piece:
    text = session.scalar(select(Job.log).where(Job.id == job_id)) or ""
    data = text.encode("utf-8", "surrogateescape")
    return Piece(offset, data[offset : offset + limit])
