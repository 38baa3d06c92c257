"""Downloads from the pages: start one from an archive, fetch what it prepared."""

from collections.abc import Sequence

from flask import Blueprint, Response, current_app, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from borgui.contents import load_archive
from borgui.extensions import queue_redis
from borgui.jobs import kind_of
from borgui.jobs.job import Job
from borgui.jobs.requests import start as request_start
from borgui.models import Archive, Session
from borgui.validation import Input, PathB64, checked, to_b64
from borgui.web.forms import line, token
from borgui.web.sending import send_prepared

downloads = Blueprint("downloads", __name__)


class _Chosen(Input):
    paths_b64: list[PathB64]


def begin(archive: Archive, paths: Sequence[str], format: str) -> Job:  # noqa: A002 - its name
    """Start preparing ``paths`` (exact; none is all) as file, tar, tar.zst or zip. Commits.

    Raises Invalid, Conflict and Unavailable.
    """
    kind = kind_of("download")
    if kind.body is None:
        raise LookupError("the kind download takes nothing")
    values = {"paths_b64": [to_b64(path) for path in paths], "format": format}
    data = checked(kind.body, values).model_dump()
    return request_start(
        Session(),
        queue_redis(),
        current_app.config["BORGUI"],
        kind,
        archive.repository,
        {**data, "archive_id": archive.id},
        user_id=current_user.id,
        idempotency_key=token(),
    )


@downloads.post("/archives/<int:archive_id>/downloads")
def start(archive_id: int) -> AnyResponse:
    """Fields ``paths_b64`` (any number), ``format`` and ``once``; leads to the job."""
    archive = load_archive(Session(), archive_id)
    given = checked(
        _Chosen, {"paths_b64": [each for each in request.form.getlist("paths_b64") if each]}
    )
    job = begin(archive, given.paths_b64, line("format"))
    return redirect(url_for("jobs.show", job_id=job.id), 303)


@downloads.get("/downloads/<int:job_id>/file")
def file(job_id: int) -> Response:
    """What it prepared."""
    return send_prepared(job_id)
