"""Prepared downloads: the files in ``DATA_DIR/downloads``, who finds them, and when they go.

A worker writes ``{job}.part`` and renames it to ``{job}.file`` when it is whole.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from borgui import prepared
from borgui.config import Config
from borgui.errors import Conflict, Gone, NotFound
from borgui.jobs import kind_of
from borgui.jobs.job import ACTIVE, Status

KIND = kind_of("download")

TYPES = {"tar": "application/x-tar", "tar.zst": "application/zstd", "zip": "application/zip"}
"""Media types by format; a file as itself is never one that a browser would show."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file to be sent, under a name that is safe to offer."""

    path: Path
    name: str
    media_type: str


def find(session: Session, config: Config, job_id: int) -> Prepared:
    """What the job prepared. Raises NotFound, Conflict while it is not completed, Gone after."""
    job: Any = session.get(KIND.row, job_id)
    if job is None:
        raise NotFound("job_not_found", f"There is no download {job_id}.")
    if job.status in ACTIVE:
        raise Conflict("download_not_ready", "It is still being prepared.")
    if job.status != Status.COMPLETED:
        raise Conflict("download_not_ready", f"Nothing was prepared: the job is {job.status}.")
    path = config.downloads / f"{job.id}.file"
    if job.is_expired or not path.is_file():
        raise Gone("download_gone", "It was removed again. Prepare it once more.")
    return Prepared(path, job.offered_name, TYPES.get(job.format, "application/octet-stream"))


def sweep(session: Session, folder: Path) -> int:
    """Remove what has expired, what failed jobs left and what belongs to no job.

    Returns how many files went.
    """
    return prepared.sweep(session, folder, KIND.row, "file")
