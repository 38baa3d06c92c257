"""Downloads from the pages: start one from an archive, fetch what it prepared."""

from collections.abc import Sequence

from flask import Blueprint, Response, redirect, request, url_for
from redis import Redis
from werkzeug.wrappers import Response as AnyResponse

from borgui.contents import load_archive
from borgui.extensions import queue_redis
from borgui.jobs.job import Job
from borgui.models import Archive, Session
from borgui.validation import Input, PathB64, checked, to_b64
from borgui.web import starting
from borgui.web.forms import line
from borgui.web.sending import send_prepared

downloads = Blueprint("downloads", __name__)


class _Chosen(Input):
    paths_b64: list[PathB64]


def begin(queue: Redis, archive: Archive, paths: Sequence[str], form: str) -> Job:
    """Start preparing ``paths`` (exact; none is all) as file, tar, tar.zst or zip. Commits.

    Raises Invalid and Conflict.
    """
    values = {"paths_b64": [to_b64(path) for path in paths], "format": form}
    return starting.start(queue, "download", archive.repository, values, archive_id=archive.id)


@downloads.post("/archives/<int:archive_id>/downloads")
def start(archive_id: int) -> AnyResponse:
    """Fields ``paths_b64`` (any number), ``format`` and ``once``; leads to the job."""
    queue, archive = queue_redis(), load_archive(Session(), archive_id)
    given = checked(
        _Chosen, {"paths_b64": [each for each in request.form.getlist("paths_b64") if each]}
    )
    job = begin(queue, archive, given.paths_b64, line("format"))
    return redirect(url_for("jobs.show", job_id=job.id), 303)


@downloads.get("/downloads/<int:job_id>/file")
def file(job_id: int) -> Response:
    """What it prepared."""
    return send_prepared(job_id)
