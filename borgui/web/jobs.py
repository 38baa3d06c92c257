"""Jobs: the list, one job, and the partials that follow it while it runs."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import undefer
from werkzeug.wrappers import Response as AnyResponse

from borgui import live
from borgui.errors import NotFound
from borgui.extensions import live_redis, own_config, queue_redis
from borgui.jobs import KINDS, admission, dashboard, freeing, kind_of, logs
from borgui.jobs.history import Page
from borgui.jobs.job import NOTE, Job, Status
from borgui.models import Archive, Session
from borgui.security.access import can, require
from borgui.security.permissions import Permission
from borgui.validation import LARGEST_ID
from borgui.web import filters, job_line, job_log, shared
from borgui.web.forms import token
from borgui.web.job_line import JobLine
from borgui.web.layout import SPRITE, answer, page, viewer_zone, wants_partial

jobs = Blueprint("jobs", __name__, url_prefix="/jobs")

CHANGED = "job-changed"
"""The event that makes a page ask for itself anew, since a job moved on."""


@jobs.get("")
def index() -> Response:
    """What runs and waits, then what has ended, newest first; filtered, a page at a time."""
    chosen = {
        "kind": _known(request.args.get("kind"), {kind.name for kind in KINDS}),
        "status": _known(request.args.get("status"), {str(each) for each in Status}),
        "repository_id": request.args.get("repository_id", type=_id),
    }
    return page(
        "jobs/index.html",
        chosen=chosen,
        filtered=any(chosen.values()),
        kinds=KINDS,
        names=dashboard.names(Session()),
        keep=True,
        **listed(chosen),
    )


def listed(chosen: dict[str, Any]) -> dict[str, Any]:
    """What ``jobs/_lists.html`` shows for a filter."""
    number = max(request.args.get("page", 1, type=int), 1)
    session = Session()
    active = dashboard.active(session, **chosen) if number == 1 else []
    ended = dashboard.ended(session, page=number, **chosen)
    items = [job_line.from_row(row) for row in ended.items]
    shown = Page(items, ended.total, ended.page, ended.per_page)
    return {"active": job_line.lines(active), "page": shown}


@jobs.get("/active")
def active() -> Response:
    """The partial of what runs and waits. ``seen``: the ids the page shows.

    With ``keep`` it is those jobs, ended or not, so that nothing moves; without, what is active
    now. When one has ended since, the page is told (``job-changed``) to ask for itself anew.
    """
    asked = request.args.get("seen", "").split(",")
    seen = [int(each) for each in asked if each.isdecimal() and len(each) < 10][:200]
    keep = tuple(seen) if "keep" in request.args else None
    html, still = _active(
        keep,
        request.args.get("of", type=_id),
        can(Permission.BROWSE),
        can(Permission.RUN),
        request.script_root,
        viewer_zone().key,
        shared.moment(),
    )
    response = answer(shared.own(html))
    if not set(seen) <= still:
        response.headers["HX-Trigger"] = CHANGED
    return response


@lru_cache(maxsize=8)  # each may hold 200 jobs
def _active(keep: tuple[int, ...] | None, of: int | None, *_who: object) -> tuple[str, set[int]]:
    """The partial, and the jobs in it that are active; one for all of the same ``_who``: what they
    may see, where and in which zone."""
    session = Session()
    if keep is None:
        rows = dashboard.active(session, repository_id=of)
    else:
        rows = dashboard.by_ids(session, keep)
    shown = job_line.lines(rows)
    html = render_template(
        "jobs/_active.html",
        active=shown,
        keep=keep is not None,
        hide_repository=of,
        csrf_token=lambda: shared.TOKEN,
    )
    return html, {line.id for line in shown if line.is_active}


@jobs.get("/<int:job_id>")
def show(job_id: int) -> Response:
    """One job: its state, what went wrong, its log and the facts."""
    row = load(job_id, whole=True)
    known = job_line.read_live(lambda: live.read(live_redis(), job_id)) if row.is_active else None
    line = job_line.from_row(row, known)
    browse = can(Permission.BROWSE)
    archive = Session.scalar(select(Archive).where(Archive.job_id == row.id).limit(1))
    log = job_log.first(row, known) if browse else None
    return page(
        "jobs/show.html",
        job=line,
        row=row,
        full=True,
        archive=archive,
        archive_name=getattr(row, "archive_name", None),
        verdict=verdict(line, row),
        live=known,
        stop_word=kind_of(row.kind).stop_word,
        consequence=kind_of(row.kind).after_failure,
        warnings=[each for each in row.warnings if each.get("msgid") != NOTE],
        notes=[each["message"] for each in row.warnings if each.get("msgid") == NOTE],
        log=log,
        job_id=row.id,
        raw=_last_words(log.text) if log else "",
        may_start=_may_start(row),
    )


@jobs.get("/<int:job_id>/progress")
def progress(job_id: int) -> Response:
    """The partial that a job's own page asks for every second: while it runs, from Redis alone.

    A hash that nobody writes any more is not believed: the row says what became of the job.
    """
    browse, root = can(Permission.BROWSE), request.script_root
    state = job_line.read_live(lambda: live.read_state(live_redis(), job_id))
    if (
        state
        and state.get("status") == Status.RUNNING
        and state.get("kind")
        and live.is_fresh(state.get("updated_at"))
    ):
        status: str = Status.RUNNING
        html = _running(job_id, tuple(state.items()), int(time.time()), browse, root)
    else:
        line = job_line.from_row(load(job_id), live.Live.decode(state) if state else None)
        status, html = line.status, render(line, browse=browse, root=root)
    response = answer(html)
    if status != (request.args.get("was") or Status.RUNNING):
        response.headers["HX-Trigger"] = CHANGED
    return response


@lru_cache(maxsize=64)
def _running(
    job_id: int, state: tuple[tuple[str, str], ...], second: int, browse: bool, root: str
) -> str:
    """The partial of a running job; whoever else asks within the ``second`` gets the same."""
    line = job_line.from_hash(job_id, live.Live.decode(dict(state)))
    line.at = datetime.fromtimestamp(second, UTC)
    return render(line, browse=browse, root=root)


def render(line: JobLine, *, browse: bool, root: str) -> str:
    """The full partial of one job, without what a whole page needs around it."""
    template = current_app.jinja_env.get_template("jobs/_job.html")
    return template.render(job=line, full=True, browse=browse, root=root, sprite=SPRITE)


@jobs.get("/<int:job_id>/log")
def log(job_id: int) -> AnyResponse:
    """What the log has from byte ``offset`` on; 204 while there is nothing new."""
    offset = max(request.args.get("offset", 0, type=int), 0)
    known = job_line.read_live(lambda: live.read(live_redis(), job_id))
    runs = known and known.status == Status.RUNNING and live.is_fresh(known.updated_at)
    row = None if runs else load(job_id, whole=True)
    news = job_log.more(job_id, row, known, offset)
    if news.follows and not news.text:
        return Response(status=204)
    return page("jobs/_log.html", log=news, job_id=job_id)


@jobs.get("/<int:job_id>/log.txt")
def whole_log(job_id: int) -> AnyResponse:
    """The whole log as text: the file, or what the row kept of it."""
    row = load(job_id, whole=True)
    file = logs.log_file(own_config(), job_id)
    if file.is_file():
        response = send_file(file, mimetype="text/plain; charset=utf-8", etag=False, max_age=0)
    else:
        response = Response(filters.printable(row.log or ""), mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response


@jobs.post("/<int:job_id>/cancel")
def cancel(job_id: int) -> AnyResponse:
    """End a job. htmx gets its row, a plain form its page."""
    queue, row = queue_redis(), load(job_id)
    require(kind_of(row.kind).permission)
    admission.cancel(Session(), queue, row)
    if not wants_partial():
        return redirect(url_for("jobs.show", job_id=job_id), 303)
    fresh = load(job_id)
    return page("jobs/_job.html", job=job_line.lines([fresh])[0], full=False)


@jobs.post("/<int:job_id>/retry")
def retry(job_id: int) -> AnyResponse:
    """Start a failed or cancelled job anew; leads to the new one."""
    queue, row = queue_redis(), load(job_id)
    require(kind_of(row.kind).permission)
    new = admission.retry(Session(), queue, row, user_id=current_user.id, idempotency_key=token())
    return redirect(url_for("jobs.show", job_id=new.id), 303)


@jobs.post("/<int:job_id>/free-lane")
def free_lane(job_id: int) -> AnyResponse:
    """Let other jobs have the repository that this one keeps reserved; leads back to it."""
    freeing.free_lane(Session(), queue_redis(), load(job_id), by=current_user.username)
    flash("The repository is free for other jobs.", "good")
    return redirect(url_for("jobs.show", job_id=job_id), 303)


def load(job_id: int, *, whole: bool = False) -> Job:
    """The job, or 404; ``whole`` with what only its page shows."""
    options = [undefer(Job.log), undefer(Job.command)] if whole else []
    row = Session.get(Job, job_id, options=options, populate_existing=True)
    if row is None:
        raise NotFound("job_not_found", f"There is no job {job_id}. Its history may have expired.")
    return row


def _may_start(row: Job) -> bool:
    kind, repository = kind_of(row.kind), row.repository
    is_done = kind.opens and repository is not None and repository.status == "ready"
    return can(kind.permission) and not is_done


def _id(text: str) -> int:
    """A number a row could have: of a larger one there is none, as of the largest."""
    return min(int(text), LARGEST_ID)


def _known(value: str | None, allowed: set[str]) -> str | None:
    return value if value in allowed else None


# -- what is said of a job ---------------------------------------------------------------------


def verdict(line: JobLine, row: Job) -> str:
    """One sentence under the title: how it stands."""
    if line.status == Status.PENDING:
        return filters.sentence(row.wait_reason or "it waits for a worker")
    if line.status == Status.RUNNING:
        return "It is being cancelled." if line.cancelling else "It is running now."
    if line.status == Status.FAILED:
        return f"It failed after {line.elapsed}." if line.elapsed else "It failed before borg ran."
    return kind_of(row.kind).last_word(row) or _end(line)


def _end(line: JobLine) -> str:
    if line.status == Status.CANCELLED:
        return line.error_message or "It was cancelled."
    if line.warning_count:
        return (
            f"It completed; {line.warning_count:,} warning{'s' * (line.warning_count != 1)} below."
        )
    return f"It completed in {line.elapsed}." if line.elapsed else "It completed."


def _last_words(text: str) -> str:
    """The end of a log, where borg says why it stopped."""
    found = [each for each in text.strip().splitlines() if each.strip()]
    return "\n".join(found[-6:])
