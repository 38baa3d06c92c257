"""Sends a prepared download, for the API and for pages."""

import threading
from collections.abc import Callable
from typing import Any

from flask import Response, send_file

from borgui import downloads
from borgui.errors import TooMany
from borgui.extensions import own_config
from borgui.models import Session

MOST_AT_ONCE = 4
"""Of one web process: each holds a thread until its last byte is sent."""

_places = threading.BoundedSemaphore(MOST_AT_ONCE)


def send_prepared(job_id: int) -> Response:
    """The file as an attachment; whole, a range of it, or 304. Raises what ``find`` does."""
    found = downloads.find(Session(), own_config(), job_id)
    if not _places.acquire(blocking=False):
        raise TooMany("too_many_downloads", "Too many downloads at once.", retry_after=10)
    release = once(_places.release)
    try:
        response = send_file(
            found.path, found.media_type, as_attachment=True, download_name=found.name
        )
    except BaseException:
        release()
        raise
    response.headers["Cache-Control"] = "no-store"
    response.call_on_close(release)  # where no byte of it is sent: HEAD, 304
    _after(response.response, release)
    return response


def _after(body: Any, action: Callable[[], None]) -> None:
    """Call ``action`` when the server closes ``body``: a file handed on as it is (for sendfile) is
    closed in place of the response."""
    close = getattr(body, "close", None)

    def closing() -> None:
        try:
            if close is not None:
                close()
        finally:
            action()

    body.close = closing


def once(action: Callable[[], None]) -> Callable[[], None]:
    """``action``, done the first time that it is called and never again."""
    done = threading.Event()

    def run() -> None:
        if not done.is_set():
            done.set()
            action()

    return run
