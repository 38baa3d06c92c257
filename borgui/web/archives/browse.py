"""One archive: what it is, and its folders; a selection goes along as hidden fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, redirect, request, url_for
from flask_login import current_user
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from borgui import contents
from borgui.errors import Conflict
from borgui.extensions import own_config, queue_redis
from borgui.index import Sort
from borgui.jobs.job import Job, Priority, Status
from borgui.models import Archive, Session
from borgui.models.session import begin_reading
from borgui.web import job_line
from borgui.web.archives.blueprint import (
    archives,
    crumbs,
    load,
    page_number,
    place,
    selection,
    where,
)
from borgui.web.forms import token
from borgui.web.job_line import JobLine
from borgui.web.layout import page

PER_PAGE = 200
RECENT = 50
"""Jobs that are looked through for the last one that listed an archive."""
FIRST_DOWN = {Sort.NAME: False, Sort.SIZE: True, Sort.MTIME: True}
"""Which way an order begins: names from A, the largest and the newest first."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a folder is shown."""

    sort: Sort
    down: bool

    @classmethod
    def of(cls, values: "MultiDict[str, str]") -> "Order":
        """As an address says it; what it cannot mean is by name."""
        given = values.get("sort", "")
        sort = Sort(given) if given in set(Sort) else Sort.NAME
        return cls(sort, values.get("order", "down" if FIRST_DOWN[sort] else "up") == "down")

    def toward(self, name: str) -> dict[str, str | None]:
        """The arguments of the address that a column's title leads to."""
        sort = Sort(name)
        down = not self.down if sort is self.sort else FIRST_DOWN[sort]
        return {"sort": name, "order": "down" if down else "up", "page": None}

    def arrow(self, name: str) -> str | None:
        """``ascending`` or ``descending`` for the column it is sorted by."""
        if name != self.sort:
            return None
        return "descending" if self.down else "ascending"


@dataclass(frozen=True, slots=True)
class Unlisted:
    """An archive whose contents are not known yet, and the job that may be at work on it."""

    archive: Archive
    job: JobLine | None
    failed: str | None


@archives.get("/archives/<int:archive_id>")
def show(archive_id: int) -> Response:
    """What the archive is, and one of its folders."""
    archive = load(archive_id)
    path, chosen = place(request.args), selection(MultiDict())
    return page("archives/show.html", **around(archive), **shown(archive, path, chosen))


@archives.get("/archives/<int:archive_id>/folder")
def folder(archive_id: int) -> Response:
    """The folder alone, as a partial."""
    archive = load(archive_id)
    path = place(request.args)
    return page("archives/_folder.html", archive=archive, **shown(archive, path, []))


@archives.post("/archives/<int:archive_id>/folder")
def go(archive_id: int) -> Response:
    """Another folder or page with the selection kept: for browsers without script."""
    begin_reading()  # a POST for its length alone: the database's write lock is not for it
    archive = load(archive_id)
    chosen = selection(request.form)
    kind, _, value = request.form.get("go", "").partition(":")
    path = place(MultiDict({"path_b64": value} if kind == "folder" else _here()))
    number = int(value) if kind == "page" and value.isdecimal() and len(value) < 8 else 1
    values = shown(archive, path, chosen, number=number)
    return page("archives/show.html", **around(archive), **values)


@archives.post("/archives/<int:archive_id>/index")
def start_index(archive_id: int) -> AnyResponse:
    """List the archive's contents; leads back to it, where the job is followed."""
    queue, archive = queue_redis(), load(archive_id)
    path = place(request.form)
    contents.start_index(
        Session(),
        queue,
        own_config(),
        archive,
        user_id=current_user.id,
        idempotency_key=token(),
        priority=Priority.HIGH,
    )
    return redirect(url_for("archives.show", archive_id=archive_id, **where(path)), 303)


def around(archive: Archive) -> dict[str, Any]:
    """What the frame of an archive's page needs."""
    made_by = Session.get(Job, archive.job_id) if archive.job_id else None
    return {
        "archive": archive,
        "repository": archive.repository,
        "made_by": made_by,
        "seconds": (archive.end - archive.start).total_seconds() if archive.end else None,
    }


def shown(
    archive: Archive, path: str, chosen: Sequence[str], *, number: int | None = None
) -> dict[str, Any]:
    """A page of a folder, or what is known of the job that lists the archive's contents."""
    order = Order.of(request.values)
    values: dict[str, Any] = {
        "path": path,
        "crumbs": crumbs(path),
        "order": order,
        "folder": None,
        "unlisted": None,
    }
    try:
        found = contents.folder(
            own_config(),
            archive,
            path,
            sort=order.sort,
            is_descending=order.down,
            page=number or page_number(),
            per_page=PER_PAGE,
        )
    except Conflict as error:
        if error.code != "index_missing":
            raise
        return {**values, "unlisted": unlisted(archive)}
    here = {entry.path for entry in found.entries}
    return {
        **values,
        "folder": found,
        "chosen": set(chosen) & here,
        "kept": [each for each in chosen if each not in here],
    }


def unlisted(archive: Archive) -> Unlisted:
    """Why the contents of ``archive`` cannot be shown, and what is being done about it."""
    job = contents.index_job(Session(), archive)
    line = job_line.lines([job])[0] if job else None
    return Unlisted(archive, line, None if job else _failure(archive))


def _failure(archive: Archive) -> str | None:
    """What the last job that listed this archive said, if it failed."""
    recent = Session.scalars(
        select(Job)
        .where(Job.kind == "index", Job.repository_id == archive.repository_id)
        .order_by(Job.id.desc())
        .limit(RECENT)
    )
    last = next((job for job in recent if job.options.get("archive_id") == archive.id), None)
    if last is None or last.status != Status.FAILED:
        return None
    return last.error_message or "Borg gave no reason."


def _here() -> dict[str, str]:
    return {"path_b64": request.form.get("at_b64", "")}
