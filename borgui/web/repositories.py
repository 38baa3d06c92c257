"""Repositories: the list, one of them by tabs, adding, changing, and what is dangerous."""

from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from borgui import repositories as domain
from borgui.borg.encryption import MODES
from borgui.errors import Conflict, Invalid
from borgui.extensions import own_config, queue_redis
from borgui.jobs import dashboard, history
from borgui.jobs.archives import last_good
from borgui.jobs.view import seen_reason
from borgui.models import Repository, Session
from borgui.security.access import can
from borgui.security.permissions import Permission
from borgui.validation import checked
from borgui.web import job_line, repository_form, starting
from borgui.web.forms import line, number, ticked, token
from borgui.web.jobs import listed
from borgui.web.layout import page

repositories = Blueprint("repositories", __name__, url_prefix="/repositories")


@repositories.get("")
def index() -> Response:
    """All repositories."""
    found = dashboard.summaries(Session(), dashboard.active(Session()))
    return page("repositories/index.html", repositories=found)


@repositories.get("/new")
def new() -> Response:
    """The form that adds one."""
    mode = "import" if request.args.get("mode") == "import" else "create"
    return _form(repository_form.empty(mode), {}, 200)


@repositories.post("/new")
def create() -> AnyResponse:
    """Add a repository: its init or import starts, and its page follows it."""
    given = repository_form.read()
    try:
        repository_form.check_passphrase(given)
        data = checked(domain.RepositoryInput, repository_form.input_values(given))
        repository, _ = domain.create(
            Session(),
            queue_redis(),
            own_config(),
            data,
            user_id=current_user.id,
            idempotency_key=token(),
        )
    except Invalid as error:
        Session.rollback()
        return _form(given, repository_form.by_field(error.fields), 422)
    except Conflict as error:
        Session.rollback()
        field = "name" if "name" in error.code else "path"
        return _form(given, {field: error.message}, 409)
    return redirect(url_for("repositories.show", repository_id=repository.id), 303)


@repositories.get("/<int:repository_id>")
def show(repository_id: int) -> Response:
    """Overview: the state first, then figures, then what was done last."""
    return _show(domain.load(Session(), repository_id), {}, {}, 200)


def _show(
    repository: Repository, given: dict[str, Any], errors: dict[str, str], status: int
) -> Response:
    """The overview; ``given`` is what was typed in the form of the drill."""
    session, repository_id = Session(), repository.id
    archives = history.archives(session, repository_id, per_page=1)
    ended = dashboard.ended(session, repository_id=repository_id, per_page=5)
    failures = dashboard.failures(session, repository_id)
    return page(
        "repositories/show.html",
        status,
        here=url_for("repositories.show", repository_id=repository_id),
        form=given,
        errors=errors,
        labels={"sample": "Files"},
        proof=dashboard.proofs(session, repository_id).get(repository_id),
        newest=archives.items[0] if archives.items else None,
        last_good=last_good(session, repository_id),
        archive_count=archives.total,
        active=job_line.lines(dashboard.active(session, repository_id=repository_id)),
        ended=[job_line.from_row(row) for row in ended.items],
        failures=[job_line.from_row(row) for row in failures],
        reason=seen_reason(repository.error_message, browse=can(Permission.BROWSE)),
        **_around(repository, "overview"),
    )


@repositories.get("/<int:repository_id>/archives")
def archives(repository_id: int) -> Response:
    """Its archives as far as they are known, newest first."""
    repository = domain.load(Session(), repository_id)
    number = max(request.args.get("page", 1, type=int), 1)
    found = history.archives(Session(), repository_id, page=number)
    return page("repositories/archives.html", page=found, **_around(repository, "archives"))


@repositories.get("/<int:repository_id>/jobs")
def jobs(repository_id: int) -> Response:
    """Its jobs."""
    repository = domain.load(Session(), repository_id)
    lists = listed({"repository_id": repository_id})
    return page(
        "repositories/jobs.html",
        keep=True,
        filtered=False,
        hide_repository=repository_id,
        **lists,
        **_around(repository, "jobs"),
    )


@repositories.get("/<int:repository_id>/settings")
def edit(repository_id: int) -> Response:
    """What may be changed, and the danger zone."""
    repository = domain.load(Session(), repository_id)
    return _edit(repository, repository_form.of(repository), {}, 200)


@repositories.post("/<int:repository_id>/settings")
def change(repository_id: int) -> AnyResponse:
    """Save the settings."""
    repository = domain.load(Session(), repository_id)
    given = repository_form.read()
    try:
        data = checked(domain.RepositoryChange, repository_form.change_values(given))
        domain.change(Session(), repository, data)
    except Invalid as error:
        Session.rollback()
        return _edit(repository, given, repository_form.by_field(error.fields), 422)
    except Conflict as error:
        Session.rollback()
        return _edit(repository, given, {"name": error.message}, 409)
    flash("Saved. The next backup uses it.", "good")
    return redirect(url_for("repositories.edit", repository_id=repository_id), 303)


@repositories.post("/<int:repository_id>/backup")
def backup(repository_id: int) -> AnyResponse:
    """Back up now."""
    return _start(repository_id, "backup")


@repositories.post("/<int:repository_id>/refresh")
def refresh(repository_id: int) -> AnyResponse:
    """List the archives anew."""
    return _start(repository_id, "refresh")


@repositories.post("/<int:repository_id>/drill")
def drill(repository_id: int) -> AnyResponse:
    """Start a restore drill of a sample, or of all."""
    queue, repository = queue_redis(), domain.load(Session(), repository_id)
    given = {"sample": line("sample"), "all": ticked("all")}
    values = {"all": True} if given["all"] else {"sample": number("sample")}
    try:
        job = starting.start(queue, "drill", repository, values)
    except Invalid as error:
        Session.rollback()
        return _show(domain.load(Session(), repository_id), given, error.fields, 422)
    return redirect(url_for("jobs.show", job_id=job.id), 303)


@repositories.post("/<int:repository_id>/break-lock")
def break_lock(repository_id: int) -> AnyResponse:
    """Break borg's lock."""
    return _start(repository_id, "break_lock")


@repositories.get("/<int:repository_id>/break-lock")
def break_lock_form(repository_id: int) -> Response:
    """Asks first, where no dialog can."""
    return _ask(domain.load(Session(), repository_id), "lock", {}, 200)


@repositories.get("/<int:repository_id>/forget")
def forget_form(repository_id: int) -> Response:
    """Asks first, where no dialog can; with ``delete_data`` for borg's data too."""
    act = "delete" if "delete_data" in request.args else "forget"
    return _ask(domain.load(Session(), repository_id), act, {}, 200)


@repositories.post("/<int:repository_id>/forget")
def forget(repository_id: int) -> AnyResponse:
    """Take it off the list, or delete borg's data with it; either way its name has been typed."""
    queue = queue_redis() if ticked("delete_data") else None
    repository = domain.load(Session(), repository_id)
    if line("confirm") != repository.name.strip():
        wrong = {"confirm": "This is not the repository's name. Nothing was changed."}
        return _ask(repository, "delete" if queue is not None else "forget", wrong, 422)
    if queue is not None:
        job = domain.delete_data(
            Session(),
            queue,
            repository,
            user_id=current_user.id,
            idempotency_key=token(),
        )
        return redirect(url_for("jobs.show", job_id=job.id), 303)
    name = repository.name
    domain.forget(Session(), repository)
    flash(f"{name} is off the list. Borg's data is where it was.", "good")
    return redirect(url_for("repositories.index"), 303)


def _start(repository_id: int, name: str) -> AnyResponse:
    """Start a job of a kind that takes nothing; leads to it."""
    queue, repository = queue_redis(), domain.load(Session(), repository_id)
    job = starting.start(queue, name, repository)
    return redirect(url_for("jobs.show", job_id=job.id), 303)


def _around(repository: Repository, tab: str) -> dict[str, Any]:
    """What the frame of a repository's pages needs."""
    return {"repository": repository, "tab": tab}


def _form(given: dict[str, Any], errors: dict[str, str], status: int) -> Response:
    return page(
        "repositories/new.html",
        status,
        form=given,
        errors=errors,
        labels=repository_form.LABELS,
        modes=MODES,
    )


def _edit(
    repository: Repository, given: dict[str, Any], errors: dict[str, str], status: int
) -> Response:
    return page(
        "repositories/settings.html",
        status,
        form=given,
        errors=errors,
        labels=repository_form.LABELS,
        archive_count=history.archives(Session(), repository.id, per_page=1).total,
        **_around(repository, "settings"),
    )


def _ask(repository: Repository, act: str, errors: dict[str, str], status: int) -> Response:
    return page(
        "repositories/ask.html",
        status,
        act=act,
        errors=errors,
        archive_count=history.archives(Session(), repository.id, per_page=1).total,
        **_around(repository, "settings"),
    )
