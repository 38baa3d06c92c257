"""Living below a path of a site: ``https://host/borgui/``."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import URLSafeTimedSerializer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST_MEMORY = 60
"""Seconds a verified cookie is remembered. Its age counts to no more than that exactly; who it
belongs to, and whether they may still, is :mod:`borgui.security.people`'s to know."""
MOST_SEEN = 1000
_UNCHANGING = (str, int, bool, type(None))


class Prefix:
    """Tells the application its prefix, whether or not the proxy has taken it off the path."""

    def __init__(self, application: "WSGIApplication", prefix: str) -> None:
        self._application = application
        self._prefix = prefix

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Serve one request with ``SCRIPT_NAME`` set."""
        path = environ.get("PATH_INFO", "")
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            environ["PATH_INFO"] = path[len(self._prefix) :]
        environ["SCRIPT_NAME"] = self._prefix
        return self._application(environ, start_response)


class Sessions(SecureCookieSessionInterface):
    """The session cookie: for our prefix only, and for https only where we are asked by https."""

    def __init__(self) -> None:
        self._signer: URLSafeTimedSerializer | None = None
        self._seen: dict[str, tuple[dict[str, Any], float]] = {}
        """Cookie → what it holds, and when that was verified."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Made once, where Flask makes one for each request."""
        if self._signer is None:
            self._signer = super().get_signing_serializer(app)
        return self._signer

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of the cookie; a cookie seen before is not verified again, only its age."""
        cookie = request.cookies.get(self.get_cookie_name(app), "")
        seen = self._seen.get(cookie)
        if seen is not None and time.time() - seen[1] < LONGEST_MEMORY:
            return self.session_class(seen[0])
        opened = super().open_session(app, request)
        if opened and all(isinstance(value, _UNCHANGING) for value in opened.values()):
            if len(self._seen) >= MOST_SEEN:
                self._seen.clear()
            self._seen[cookie] = (dict(opened), time.time())
        return opened

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """As Flask, but for a session that was only read, where there is nothing to save."""
        if session.modified:
            super().save_session(app, session, response)
        elif session.accessed:
            response.headers.add("Vary", "Cookie")

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002 - Flask's signature
        """The prefix, else the whole site."""
        return f"{request.script_root.rstrip('/')}/"

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - Flask's signature
        """Whether this request came by https."""
        return request.is_secure
