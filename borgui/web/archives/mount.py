"""Mounting an archive, and what is mounted."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from borgui import live
from borgui.errors import Invalid
from borgui.extensions import live_redis, queue_redis
from borgui.jobs import mounts
from borgui.jobs.job import Job
from borgui.live import Live
from borgui.models import Archive, Session
from borgui.web.archives.blueprint import archives, load
from borgui.web.forms import line
from borgui.web.job_line import JobLine, from_row, read_live
from borgui.web.layout import page
from borgui.web.starting import start

LEASES = {15: "15 minutes", 60: "1 hour", 240: "4 hours", 480: "8 hours", 1440: "1 day"}


@dataclass(frozen=True, slots=True)
class Mounted:
    """A mount that has not ended. ``is_there``: it can be looked into."""

    row: Job
    job: JobLine
    is_there: bool


@archives.get("/mounts")
def mounts_page() -> Response:
    """What is mounted, and until when."""
    return page("archives/mounts.html", mounted=mounted(mounts.active(Session())))


@archives.get("/archives/<int:archive_id>/mount")
def mount_form(archive_id: int) -> Response:
    """For how long, or why it cannot be mounted."""
    return _form(load(archive_id), "60", {}, 200)


@archives.post("/archives/<int:archive_id>/mount")
def mount(archive_id: int) -> AnyResponse:
    """Mount it; leads to the job, which says where."""
    queue, archive = queue_redis(), load(archive_id)
    minutes = line("lease_minutes")
    values = {"lease_minutes": int(minutes) if minutes.isdecimal() and len(minutes) < 8 else 0}
    try:
        job = start(queue, "mount", archive.repository, values, archive_id=archive.id)
    except Invalid as error:
        Session.rollback()
        return _form(load(archive_id), minutes, error.fields, 422)
    return redirect(url_for("jobs.show", job_id=job.id), 303)


def _form(archive: Archive, minutes: str, errors: dict[str, str], status: int) -> Response:
    machine = archive.repository.machine
    report = read_live(lambda: live.read_machine(live_redis(), machine))
    here = [row for row in mounts.active(Session()) if row.archive_id == archive.id]
    return page(
        "archives/mount.html",
        status,
        archive=archive,
        repository=archive.repository,
        problem=report.mount_problem if report else None,
        mounted=mounted(here),
        minutes=minutes,
        leases=LEASES,
        errors=errors,
        labels={"lease_minutes": "For how long"},
    )


def mounted(rows: Sequence[Job]) -> list[Mounted]:
    """Rows with what their workers say of them."""
    ids = [row.id for row in rows if row.is_active and row.attempt]
    known: dict[int, Live] = read_live(lambda: live.read_many(live_redis(), ids)) or {}
    return [
        Mounted(row, from_row(row, known.get(row.id)), is_there(row, known.get(row.id)))
        for row in rows
    ]


def is_there(row: Job, known: Live | None) -> bool:
    """Whether its worker has seen that the archive is mounted."""
    return row.status == "running" and known is not None and known.mounted_at is not None
