"""What went wrong, as an answer: one mapping for the whole application.

JSON under ``/api``, a page elsewhere. The page is ``error.html`` with ``status`` (int),
``code``, ``message`` (a sentence a person can act on), ``fields`` (dict, may be empty),
``reference`` (text to find the log entry by, or None) and ``fragment`` (true when htmx asks: render
the notice alone, without the layout around it; the pages tell htmx not to swap an error in).
"""

import logging
import secrets
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import redis
from flask import (
    Flask,
    Response,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from borgui import outages
from borgui.errors import DomainError, Invalid, NotSignedIn, TooMany, Unavailable
from borgui.models import Session
from borgui.web import layout

log = logging.getLogger("borgui.web")

RETRY_AFTER = 5
"""Seconds after which to ask again when the queue or database is away."""

_HTTP = {
    400: ("bad_request", "This request cannot be read."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
    413: ("too_large", "This request is too large."),
    415: ("not_json", "Send JSON: Content-Type: application/json."),
    429: ("too_many_requests", "Too many requests. Try again later."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is told to the asker."""

    status: int
    code: str
    message: str
    fields: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    reference: str | None = None


def init_app(app: Flask) -> None:
    """Answer every error of ``app`` from here."""
    app.register_error_handler(DomainError, lambda error: answer(_of_domain(error)))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(redis.RedisError, _redis)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(PoolTimeout, _database)
    app.register_error_handler(sqlite3.Error, _database)
    app.register_error_handler(OSError, _system)
    app.register_error_handler(Exception, _unexpected)


def wants_json() -> bool:
    """Whether this request came for the API."""
    return request.path in {"/health", "/api"} or request.path.startswith("/api/")


def answer(problem: Problem) -> AnyResponse:
    """The problem as JSON, as a page, or as a way to the sign-in page."""
    if wants_json():
        response: AnyResponse = _json(problem)
    elif problem.code == "not_signed_in":
        response = _to_sign_in()
    else:
        response = _page(problem)
    response.headers.update(problem.headers)
    return response


def _page(problem: Problem) -> AnyResponse:
    try:
        page = render_template("error.html", fragment=layout.wants_partial(), **_names(problem))
        return layout.answer(page, problem.status)
    except (DBAPIError, PoolTimeout, sqlite3.Error, redis.RedisError, OSError):
        log.warning("No page could be made for the error: what it shows cannot be read either")
        return Response(f"{problem.message}\n", problem.status, mimetype="text/plain")


def _names(problem: Problem) -> dict[str, object]:
    return {
        "status": problem.status,
        "code": problem.code,
        "message": problem.message,
        "fields": problem.fields,
        "reference": problem.reference,
    }


def _json(problem: Problem) -> Response:
    error: dict[str, object] = {"code": problem.code, "message": problem.message}
    if problem.status == 422:
        error["fields"] = problem.fields
    if problem.reference:
        error["reference"] = problem.reference
    response = jsonify({"error": error})
    response.status_code = problem.status
    return response


def _to_sign_in() -> AnyResponse:
    """A browser is taken to the sign-in page and back; htmx by its own header."""
    is_partial = layout.wants_partial()
    back = request.full_path.rstrip("?") if request.method == "GET" and not is_partial else None
    target = url_for("account.sign_in", next=back if back != "/" else None)
    if is_partial:
        response = make_response("", 401)
        response.headers["HX-Redirect"] = target
        return response
    return redirect(target, 303)


def _of_domain(error: DomainError) -> Problem:
    headers: dict[str, str] = {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    elif error.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER)
    fields = error.fields if isinstance(error, Invalid) else {}
    return Problem(error.status, error.code, error.message, fields, headers)


def _http(error: HTTPException) -> AnyResponse:
    if error.code is None or error.code < 400:  # a redirect raised by routing
        return error.get_response()
    code, message = _HTTP.get(error.code, (_slug(error.code), error.description or error.name))
    headers = {
        name: value
        for name, value in error.get_headers()
        if name in {"Allow", "Retry-After", "WWW-Authenticate"}
    }
    return answer(Problem(error.code, code, message, headers=headers))


def _slug(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.lower().replace(" ", "_")
    except ValueError:
        return "error"


def _redis(error: redis.RedisError) -> AnyResponse:
    return _outage("Redis", error, outages.of_redis(error))


def _database(error: Exception) -> AnyResponse:
    found = outages.of_database(error)
    if found is not None:
        with suppress(SQLAlchemyError):  # it may fail by what made the request fail
            Session.rollback()
    return _outage("The database", error, found)


def _system(error: OSError) -> AnyResponse:
    return _outage("A disk", error, outages.of_system(error))


def _outage(what: str, error: Exception, found: Unavailable | None) -> AnyResponse:
    if found is None:
        return _unexpected(error)
    log.warning("%s failed at %s %s: %s", what, request.method, request.path, error)
    return answer(_of_domain(found))


def _unexpected(error: Exception) -> AnyResponse:
    """A fault of ours: it is logged whole, and the asker gets the reference to find it by."""
    reference = secrets.token_hex(4)
    log.error("Reference %s: %s %s failed", reference, request.method, request.path, exc_info=error)
    Session.rollback()
    return answer(
        Problem(
            500,
            "internal_error",
            f"Something failed inside borgui. The log of the web process names it: {reference}.",
            reference=reference,
        )
    )
