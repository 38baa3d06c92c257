"""Kind ``mount``: an archive as a folder of this machine, for as long as its lease lasts.

:mod:`borgui.jobs.mounts` says what ends it early; :mod:`borgui.runner.mounting` runs it.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ForeignKey, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from borgui.borg import commands
from borgui.errors import Conflict
from borgui.jobs.job import ACTIVE, Job, Priority
from borgui.jobs.kind import Context, Kind, Outcome, Route, Step
from borgui.jobs.of_archive import OfArchive, archive_of, looked_up
from borgui.jobs.outcomes import told
from borgui.jobs.steps import borg_step, encode, repository_of, verify_step
from borgui.live import timestamp
from borgui.models import Settings, now
from borgui.models.types import Instant, PathBytes
from borgui.security.permissions import Permission
from borgui.validation import Input, path_fields

DEFAULT_MINUTES, MOST_MINUTES = 60, 24 * 60
MOST = 8
"""Mounts at once on a machine: each has a borg of its own."""
LONGEST_NAME = 80
"""Letters of a mountpoint's name before the number of its job."""

PERSON, LEASE, JOB, STOPPED = "person", "lease", "job", "stopped"
"""What ended a mount that stood: ``ended_by``."""

_ENDED_BY = {
    "cancelled": PERSON,
    "unmounted": PERSON,
    "lease": LEASE,
    "stopped": STOPPED,
    "worker_killed": STOPPED,
}
"""By the worker's own word for it."""

_SAID = {
    PERSON: "Unmounted by hand.",
    LEASE: "Its lease is over.",
    STOPPED: "Unmounted because borgui was stopped.",
}


class MountJob(OfArchive, Job):
    """What is mounted, where and how long."""

    __tablename__ = "mount_jobs"
    __mapper_args__ = {"polymorphic_identity": "mount"}

    id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    lease_minutes: Mapped[int] = mapped_column(default=DEFAULT_MINUTES)
    mountpoint: Mapped[str | None] = mapped_column(PathBytes)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    """When its lease ends, counted from when a machine was given the job."""
    mounted_at: Mapped[datetime | None] = mapped_column(Instant)
    """From its worker's last word; while it runs the live hash has it."""
    ended_by: Mapped[str | None] = mapped_column(String(10))
    gave_way_to: Mapped[str | None] = mapped_column(String(80))
    """The job that waited for its lane, such as ``backup #12``; set when it is asked to end."""


class MountInput(Input):
    """What a mount takes."""

    lease_minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)] = DEFAULT_MINUTES


def mountpoint_name(archive: str, job: int) -> str:
    """A name of plain letters, so that it can be typed: what is anything else becomes ``_``."""
    text = re.sub(r"[^A-Za-z0-9._+-]+", "_", archive).strip("._-")[:LONGEST_NAME]
    return f"{text or 'archive'}-{job}"


def _begin(job: MountJob) -> None:
    """Fill the columns from the options, so that the job can be read while it waits.

    Raises Conflict where there are so many already that it could only wait for one to end.
    """
    _require_room(job)
    job.name_archive(looked_up(job))
    job.lease_minutes = job.options.get("lease_minutes", DEFAULT_MINUTES)


def _require_room(job: MountJob) -> None:
    session = job.repository and object_session(job.repository)
    if not session:
        return
    others = select(func.count(MountJob.id)).where(
        MountJob.status.in_(ACTIVE), MountJob.machine == job.machine
    )
    if (session.scalar(others) or 0) >= MOST:
        message = f"At most {MOST} archives are mounted at once. End a mount that is not needed."
        raise Conflict("too_many_mounts", message)


def _steps(context: Context, job: MountJob) -> list[Step]:
    archive = archive_of(context.session, job)
    repository = repository_of(job)
    job.archive = archive.name
    job.mountpoint = str(context.config.mounts / mountpoint_name(archive.name, job.id))
    job.expires_at = now() + timedelta(minutes=job.lease_minutes)
    parameters = {
        "mountpoint_b64": encode(job.mountpoint),
        "expires_at": timestamp(job.expires_at),
    }
    argv = commands.mount(archive.name, job.mountpoint)
    return [
        verify_step(repository, [archive]),
        borg_step("mount", repository, argv, parameters=parameters),
    ]


def _settle(_session: Session, job: MountJob, outcome: Outcome) -> None:
    result = told(outcome, "mount")
    mounted_at = result.get("mounted_at")
    job.mounted_at = datetime.fromisoformat(mounted_at) if mounted_at else None
    job.ended_by = _ENDED_BY.get(str(result.get("ended")))
    if job.gave_way_to is not None and outcome.get("status") != "failed":
        job.ended_by = JOB


def _last_word(job: MountJob) -> str:
    if job.ended_by == JOB:
        return f"Ended because {job.gave_way_to} waited."
    return _SAID.get(job.ended_by or "", "Cancelled before it was mounted.")


def _limit(_settings: Settings) -> int:
    return MOST


def _fields(job: MountJob) -> dict[str, Any]:
    empty = {"mountpoint": None, "mountpoint_b64": None}
    return {
        "archive_id": job.archive_id,
        "archive": job.archive,
        "lease_minutes": job.lease_minutes,
        **(path_fields("mountpoint", job.mountpoint) if job.mountpoint else empty),
        "expires_at": job.expires_at and timestamp(job.expires_at),
        "mounted_at": job.mounted_at and timestamp(job.mounted_at),
        "ended_by": job.ended_by,
        "gave_way_to": job.gave_way_to,
    }


MOUNT = Kind(
    name="mount",
    label="Mount",
    after_failure="Nothing in the repository was changed.",
    row=MountJob,
    access="shared",
    permission=Permission.RUN,
    priority=Priority.HIGH,
    steps=_steps,
    begin=_begin,
    settle=_settle,
    last_word=_last_word,
    fields=_fields,
    naming=("mountpoint", "mountpoint_b64"),
    progress=("mounted_at",),
    body=MountInput,
    takes_slot=False,
    limit=_limit,
    stop_word="Unmount",
    routes=(Route("POST", "/archives/<int:archive_id>/mount", "start"),),
)
