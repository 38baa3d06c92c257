"""What the web shares between its modules: sign-in, CSRF, the throttle, and Redis clients."""

import threading
from functools import cached_property

import redis
from flask import Flask, current_app, g, request, session
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect

from borgui import embedded_redis, live, outages, queueing
from borgui.config import Config
from borgui.errors import Unavailable
from borgui.security import people
from borgui.security.throttle import Throttle

csrf = CSRFProtect()
"""Checked by :mod:`borgui.security.access`, not by itself: a token's request needs none."""
login = LoginManager()
throttle = Throttle()

TURN_SECONDS = 1.0
"""How long a request that starts something waits for the one before it; then it goes on beside."""

_turn = threading.Lock()


class Clients:
    """The Redis clients of one application. They connect when first used, and after a fork anew."""

    def __init__(self, config: Config) -> None:
        self._url = embedded_redis.url(config)

    @cached_property
    def live(self) -> redis.Redis:
        """Text in, text out; gives up after a second."""
        return live.connect(self._url, timeout=1.0)

    @cached_property
    def queue(self) -> redis.Redis:
        """As RQ wants it: bytes."""
        return queueing.connect(self._url, timeout=2.0)

    @cached_property
    def patient(self) -> redis.Redis:
        """For a blocking wait of up to 5 seconds."""
        return live.connect(self._url, timeout=8.0)


def init_app(app: Flask, config: Config) -> None:
    """Tie the extensions to ``app``."""
    app.extensions["borgui_redis"] = Clients(config)
    csrf.init_app(app)
    login.init_app(app)
    login.session_protection = None
    app.teardown_request(_end_turn)


def own_config() -> Config:
    """The settings of the current application."""
    found: Config = current_app.config["BORGUI"]
    return found


def clients() -> Clients:
    """The clients of the current application."""
    found: Clients = current_app.extensions["borgui_redis"]
    return found


def live_redis() -> redis.Redis:
    """For live data: answers text, gives up after a second."""
    return clients().live


def queue_redis() -> redis.Redis:
    """For queues (RQ), to start or cancel with: answers bytes.

    It has answered just now: raises :class:`Unavailable` otherwise, so that nothing is written
    that nobody can be told of. To be asked for before the database's write lock is taken, and
    once what the request sends is read: from here on it is this request's turn.
    """
    _take_turn()
    queue = clients().queue
    try:
        queue.ping()
    except redis.RedisError as error:
        raise (outages.of_redis(error) or Unavailable(*outages.NO_QUEUE)) from error
    return queue


def _take_turn() -> None:
    """Let one request of this process at a time start something, until it ends.

    They would wait for each other anyway, for the interpreter and for the database, and change
    places a hundred times each while they do: of twenty starts at once each took 3.7 ms of
    processor time, and takes 2.6 one after the other (measured). No more than that hangs on it.
    """
    if not g.get("has_turn"):
        g.has_turn = _turn.acquire(timeout=TURN_SECONDS)


def _end_turn(_error: BaseException | None) -> None:
    if g.pop("has_turn", False):
        _turn.release()


def set_person(person: people.Person | None) -> None:
    """Make ``current_user`` this person for the rest of the request."""
    g._login_user = login.anonymous_user() if person is None else person


@login.user_loader  # type: ignore[untyped-decorator]
def _of_session(_session_id: str) -> people.Person | None:
    """Where nobody has asked yet: on public pages."""
    return people.identify(request, session)


@login.request_loader  # type: ignore[untyped-decorator]
def _of_request(_request: object) -> people.Person | None:
    return people.identify(request, session)
