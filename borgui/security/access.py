"""Who may call which route: one table, and the check of it before every request.

A route that is not in the table keeps the application from starting.
"""

from urllib.parse import unquote, urlsplit

from flask import Flask, Request, request, session
from flask_login import current_user
from flask_wtf.csrf import CSRFError

from borgui.errors import Forbidden, NotSignedIn
from borgui.extensions import csrf, set_person
from borgui.jobs import KINDS
from borgui.models import Session
from borgui.models.session import begin_reading, end_reading
from borgui.security import people
from borgui.security.people import bearer_token
from borgui.security.permissions import Permission

PUBLIC, ACCOUNT = Permission.PUBLIC, Permission.ACCOUNT
VIEW, BROWSE = Permission.VIEW, Permission.BROWSE
RUN, MANAGE = Permission.RUN, Permission.MANAGE

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

ROUTES: dict[str, Permission] = {
    "static": PUBLIC,
    "health.show": PUBLIC,
    # the person's own account
    "account.sign_in": PUBLIC,
    "account.set_up": PUBLIC,
    "account.sign_out": ACCOUNT,
    "account.token_list": ACCOUNT,
    "account.create_token": ACCOUNT,
    "account.delete_token": ACCOUNT,
    # the JSON API; the routes of one kind of job are in its room (see _of_kinds)
    "api.login": PUBLIC,
    "api.tokens_list": ACCOUNT,
    "api.tokens_show": ACCOUNT,
    "api.tokens_create": ACCOUNT,
    "api.tokens_delete": ACCOUNT,
    "api.repositories_list": VIEW,
    "api.repositories_create": MANAGE,
    "api.repository_show": VIEW,
    "api.repository_change": MANAGE,
    "api.repository_forget": MANAGE,
    "api.repository_archives": VIEW,
    "api.archive_index": RUN,
    "api.archive_entries": BROWSE,
    "api.archive_versions": BROWSE,
    "api.archive_diff": BROWSE,
    "api.archives_search": BROWSE,
    "api.download_file": BROWSE,
    "api.mounts_list": BROWSE,
    "api.mount_end": RUN,
    "api.jobs_list": VIEW,
    "api.job_show": VIEW,
    "api.job_log": BROWSE,
    "api.job_cancel": RUN,
    "api.job_retry": RUN,
    "api.job_free_lane": MANAGE,
    "api.settings_show": VIEW,
    "api.settings_change": MANAGE,
    "api.folders": BROWSE,
    "api.openapi": ACCOUNT,
    "api.docs": ACCOUNT,
    # pages
    "dashboard.index": VIEW,
    "dashboard.overview": VIEW,
    "notices.bar": VIEW,
    "repositories.index": VIEW,
    "repositories.show": VIEW,
    "repositories.archives": VIEW,
    "repositories.jobs": VIEW,
    "repositories.new": MANAGE,
    "repositories.create": MANAGE,
    "repositories.edit": MANAGE,
    "repositories.change": MANAGE,
    "repositories.backup": RUN,
    "repositories.refresh": RUN,
    "repositories.drill": RUN,
    "repositories.break_lock": MANAGE,
    "repositories.break_lock_form": MANAGE,
    "repositories.forget_form": MANAGE,
    "repositories.forget": MANAGE,
    "archives.index": BROWSE,
    "archives.results": BROWSE,
    "archives.list_many": RUN,
    "archives.show": BROWSE,
    "archives.folder": BROWSE,
    "archives.go": BROWSE,
    "archives.start_index": RUN,
    "archives.versions": BROWSE,
    "archives.compare": BROWSE,
    "archives.changes": BROWSE,
    "archives.content_changes": BROWSE,
    "archives.compare_contents": BROWSE,
    "archives.act_on_selection": BROWSE,
    "archives.restore_form": RUN,
    "archives.restore": RUN,
    "archives.mounts_page": BROWSE,
    "archives.mount_form": RUN,
    "archives.mount": RUN,
    "archives.delete_form": MANAGE,
    "archives.delete": MANAGE,
    "archives.rename_form": MANAGE,
    "archives.rename": MANAGE,
    "downloads.start": BROWSE,
    "downloads.file": BROWSE,
    "jobs.index": VIEW,
    "jobs.active": VIEW,
    "jobs.show": VIEW,
    "jobs.progress": VIEW,
    "jobs.log": BROWSE,
    "jobs.whole_log": BROWSE,
    "jobs.cancel": RUN,
    "jobs.retry": RUN,
    "jobs.free_lane": MANAGE,
    "settings.edit": MANAGE,
    "settings.change": MANAGE,
    "folders.pick": BROWSE,
}

BY_WHAT_IT_DOES = {"show": VIEW, "list": VIEW, "log": BROWSE}
"""What a route of one kind asks for; a start asks for the kind's own permission."""


def permission_of(endpoint: str) -> Permission | None:
    """What the route asks for; None when nothing states it."""
    return ROUTES.get(endpoint) or _OF_KINDS.get(endpoint)


def endpoint_of(kind: str, does: str) -> str:
    """The endpoint of a kind's own route in the API."""
    return f"api.{kind}_{does}"


def can(permission: Permission | str) -> bool:
    """Whether whoever makes this request may do what asks for ``permission``."""
    person = current_user._get_current_object()
    wanted = Permission(permission)
    return bool(person.may(wanted)) if person.is_authenticated else wanted is PUBLIC


def require(permission: Permission) -> None:
    """Raise :class:`Forbidden` unless whoever makes this request may do what asks for it."""
    if not can(permission):
        raise Forbidden("forbidden", "Your role does not allow this.")


def init_app(app: Flask) -> None:
    """Check every request from now on; ``can`` is known to the templates."""
    app.before_request(enforce)
    app.teardown_request(_end)
    app.jinja_env.globals["can"] = can


def check_complete(app: Flask) -> None:
    """Raise :class:`LookupError` for routes that state no permission, and for stale statements."""
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    silent = sorted(name for name in endpoints if permission_of(name) is None)
    if silent:
        raise LookupError(f"no permission stated in security/access.py for {', '.join(silent)}")
    stale = sorted(set(ROUTES) - endpoints)
    if stale:
        raise LookupError(f"security/access.py names routes that do not exist: {', '.join(stale)}")


def enforce() -> None:
    """Before every request: who is it, may they, and do they mean it (CSRF)?"""
    if request.method in SAFE_METHODS:
        begin_reading()
    if request.endpoint is None:
        return  # no such route: the 404 or 405 follows
    wanted = permission_of(request.endpoint)
    if wanted is not PUBLIC:
        _check_person(wanted)
    if request.method not in SAFE_METHODS:
        Session.rollback()  # the reads above held no write lock; what follows takes it
        _check_intent(request)


def _check_person(wanted: Permission | None) -> None:
    set_person(None)  # for the page of an error that asking the database may raise
    person = people.identify(request, session)
    set_person(person)
    if person is None:
        if bearer_token(request) is not None:
            raise NotSignedIn("token_invalid", "This token is unknown or has expired.")
        raise NotSignedIn("not_signed_in", "Sign in first.")
    if wanted is None or not person.may(wanted):
        raise Forbidden("forbidden", "Your role does not allow this.")


def _check_intent(incoming: Request) -> None:
    """A browser sends its cookie unasked, so a session's request must prove where it came from."""
    if bearer_token(incoming) is not None or incoming.endpoint == "api.login":
        return
    try:
        csrf.protect()
    except CSRFError as error:
        raise Forbidden(
            "csrf_failed", "This form is out of date. Reload the page and try again."
        ) from error


def safe_next(target: str | None) -> str | None:
    """``target`` if it is a path on this site, else None: never another site, never a scheme,
    and never out of the prefix, beside which other sites may lie."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return None
    if any(ord(letter) < 33 or letter == "\\" or ord(letter) == 127 for letter in target):
        return None
    parts = urlsplit(target)
    path = unquote(parts.path)  # a browser takes ``%2e%2e`` for ``..`` too
    if parts.netloc or "//" in path or ".." in path.split("/"):
        return None
    return target


def sign_in_session() -> None:
    """Drop what the session held before: nothing of a stranger's session survives a sign-in."""
    session.clear()
    session.permanent = True


def _end(_error: BaseException | None) -> None:
    Session.remove()
    end_reading()


_OF_KINDS = {
    endpoint_of(kind.name, route.does): (
        kind.permission if route.does == "start" else BY_WHAT_IT_DOES[route.does]
    )
    for kind in KINDS
    for route in kind.routes
}
