"""Deleting archives, and giving one another name or comment."""

from collections.abc import Sequence
from typing import Any

from flask import Response, flash, redirect, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from borgui.errors import Invalid, NotFound
from borgui.extensions import queue_redis
from borgui.models import Archive, Repository, Session
from borgui.repositories import load as load_repository
from borgui.validation import LARGEST_ID
from borgui.web.archives.blueprint import archives, load
from borgui.web.forms import line
from borgui.web.layout import page
from borgui.web.starting import start

MOST = 1000
NAMED = 20


@archives.get("/repositories/<int:repository_id>/archives/delete")
def delete_form(repository_id: int) -> Response:
    """What would be gone, and the field that asks for its name."""
    repository = load_repository(Session(), repository_id)
    rows = _ticked(repository_id, request.args.getlist("archive", type=int))
    return _delete_form(repository, rows, {}, 200)


@archives.post("/repositories/<int:repository_id>/archives/delete")
def delete(repository_id: int) -> AnyResponse:
    """Delete them; leads to the job."""
    queue, repository = queue_redis(), load_repository(Session(), repository_id)
    rows = _ticked(repository_id, request.form.getlist("archive", type=int))
    if line("confirm") != must_type(repository, rows).strip():
        fault = {"confirm": "This is not the name. Nothing was deleted."}
        return _delete_form(repository, rows, fault, 422)
    job = start(queue, "delete", repository, {"archive_ids": [row.id for row in rows]})
    return redirect(url_for("jobs.show", job_id=job.id), 303)


@archives.get("/archives/<int:archive_id>/rename")
def rename_form(archive_id: int) -> Response:
    """Name and comment."""
    archive = load(archive_id)
    return _rename_form(archive, archive.name, archive.comment, {}, 200)


@archives.post("/archives/<int:archive_id>/rename")
def rename(archive_id: int) -> AnyResponse:
    """Change what was changed; leads to the job."""
    queue, archive = queue_redis(), load(archive_id)
    name, comment = line("name"), request.form.get("comment", "").replace("\r\n", "\n").strip()
    values: dict[str, Any] = {}
    if name != archive.name:
        values["name"] = name
    if comment != archive.comment:
        values["comment"] = comment
    if not values:
        flash("Nothing was changed.", "live")
        return redirect(url_for("archives.show", archive_id=archive_id), 303)
    try:
        job = start(queue, "rename", archive.repository, values, archive_id=archive.id)
    except Invalid as error:
        Session.rollback()
        return _rename_form(load(archive_id), name, comment, error.fields, 422)
    return redirect(url_for("jobs.show", job_id=job.id), 303)


def must_type(repository: Repository, rows: Sequence[Archive]) -> str:
    """The name that is asked for: the archive's own, or the repository's for several."""
    return rows[0].name if len(rows) == 1 else repository.name


def _ticked(repository_id: int, numbers: Sequence[int]) -> list[Archive]:
    """The archives with these ids, the newest first; those of another repository are none."""
    wanted = [each for each in dict.fromkeys(numbers) if 0 < each <= LARGEST_ID][:MOST]
    rows = Session.scalars(
        select(Archive)
        .where(Archive.repository_id == repository_id, Archive.id.in_(wanted))
        .order_by(Archive.start.desc(), Archive.id.desc())
    ).all()
    if wanted and len(rows) < len(wanted):
        raise NotFound("archive_not_found", "One of these archives is no longer there.")
    return list(rows)


def _delete_form(
    repository: Repository, rows: Sequence[Archive], errors: dict[str, str], status: int
) -> Response:
    return page(
        "archives/delete.html",
        status,
        repository=repository,
        archives=rows,
        named=NAMED,
        name=must_type(repository, rows),
        errors=errors,
    )


def _rename_form(
    archive: Archive, name: str, comment: str, errors: dict[str, str], status: int
) -> Response:
    return page(
        "archives/rename.html",
        status,
        archive=archive,
        repository=archive.repository,
        name=name,
        comment=comment,
        errors=errors,
        labels={"name": "Name", "comment": "Comment"},
    )
