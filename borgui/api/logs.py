"""A job's log as ``text/plain``: what there is, or a stream that ends with the job."""

import select as sockets
import socket
import threading
import time
from collections.abc import Iterator
from typing import Annotated

from flask import Response, request
from pydantic import Field
from sqlalchemy import select

from borgui.api.incoming import Flag, Number, read_query
from borgui.config import Config
from borgui.extensions import live_redis, own_config
from borgui.jobs import logs
from borgui.jobs.job import ACTIVE, Job
from borgui.models import Session, reading
from borgui.validation import Input
from borgui.web.sending import once

MOST_STREAMS = 4
"""Of one web process: each holds a thread as long as its job runs."""
PLAIN_TAIL = 64 * 1024
"""Bytes of the log that are answered instead, when there are too many streams."""
POLL_SECONDS = 0.25
STATUS_SECONDS = 1.0
LARGEST_OFFSET = 2**53

_streams = threading.BoundedSemaphore(MOST_STREAMS)


class LogQuery(Input):
    """Where to begin (bytes), and whether to wait for what is still to come."""

    offset: Annotated[Number, Field(ge=0, le=LARGEST_OFFSET)] = 0
    follow: Flag = True


def log_answer(job: Job) -> Response:
    """The log of ``job`` from ``?offset`` on; follows it while the job is active."""
    asked = read_query(LogQuery)
    source = _Source(own_config(), job.id)
    if not (asked.follow and job.is_active) or request.method == "HEAD":
        return _plain(source.rest(asked.offset))
    if not _streams.acquire(blocking=False):
        return _too_many(source)
    response = _plain(_follow(source, asked.offset, request.environ.get("gunicorn.socket")))
    response.call_on_close(once(_streams.release))
    return response


class _Source:
    """The log of one job, read outside of a request: each read is a short transaction."""

    def __init__(self, config: Config, job_id: int) -> None:
        self._config = config
        self._client = live_redis()
        self._job_id = job_id

    def read(self, offset: int) -> logs.Piece:
        with reading():
            try:
                return logs.read(Session(), self._client, self._config, self._job_id, offset)
            finally:
                Session.remove()

    def rest(self, offset: int) -> Iterator[bytes]:
        """All there is now, a piece at a time."""
        while (piece := self.read(offset)).data:
            yield piece.data
            offset = piece.end

    def tail(self) -> logs.Piece:
        return logs.last(Session(), self._client, self._config, self._job_id, PLAIN_TAIL)

    def is_active(self) -> bool:
        with reading():
            try:
                status = Session.scalar(select(Job.status).where(Job.id == self._job_id))
            finally:
                Session.remove()
        return status in ACTIVE


def _follow(source: _Source, offset: int, connection: object) -> Iterator[bytes]:
    """The log as it grows, until the job has ended or nobody listens any more."""
    yield b""  # so that the answer's head is sent before there is a first line
    asked_at = time.monotonic()
    active = True
    while True:
        piece = source.read(offset)
        if piece.data:
            yield piece.data
            offset = piece.end
            continue
        if not active or _is_gone(connection):
            return
        time.sleep(POLL_SECONDS)
        if time.monotonic() - asked_at >= STATUS_SECONDS:
            active = source.is_active()  # one more read follows: the last lines are not lost
            asked_at = time.monotonic()


def _is_gone(connection: object) -> bool:
    """Whether the client has closed its end; a silent log would never find out by writing."""
    if not isinstance(connection, socket.socket) or connection.fileno() < 0:
        return False
    readable, _, _ = sockets.select([connection], [], [], 0)
    if not readable:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _plain(body: Iterator[bytes]) -> Response:
    response = Response(body, content_type="text/plain; charset=utf-8")
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _too_many(source: _Source) -> Response:
    piece = source.tail()
    response = Response(piece.data, 429, content_type="text/plain; charset=utf-8")
    response.headers["Retry-After"] = "10"
    response.headers["X-Log-Offset"] = str(piece.base)
    return response
