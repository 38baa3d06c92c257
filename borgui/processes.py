"""The product's processes, and who keeps them alive: ``up`` and each of them alone."""

import logging
import os
import socket
import sys
import time
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import configure_mappers

from borgui import embedded_redis, queueing
from borgui.config import Config
from borgui.models import Session, schema
from borgui.models import session as database
from borgui.runner import context
from borgui.runner.machine import Reporter
from borgui.security import keys as security_keys
from borgui.security.sealing import Sealer
from borgui.security.setup_code import ensure_first_admin
from borgui.supervisor import Child, Supervisor, hold, run_apart, say

REPORT_SECONDS = 5.0
MIGRATION_SECONDS = 600.0
"""How long one process waits for another that migrates the database."""
REST_SECONDS = 120.0
"""After so long without work, web and control are forked anew: see :data:`supervisor.RENEW`."""
ROLES = ("web", "control", "worker", "scheduler", "redis")


class CannotStart(Exception):
    """Something a person must change first; the message says what."""


def up(config: Config) -> int:
    """All processes under one supervisor, until told to stop; returns the exit code."""
    roles = [role for role in ROLES if role != "redis" or config.redis_url is None]
    locks = prepare(config, *roles)
    _require_port(config)
    supervisor = Supervisor()
    if config.redis_url is None:
        embedded_redis.server_program()
        supervisor.start(redis_child(config))  # it gets ready while we import the rest
    code = migrate(config)
    supervisor.add(web_child(config, rest=REST_SECONDS))
    supervisor.add(control_child(config, rest=REST_SECONDS))
    supervisor.add(scheduler_child(config))
    _add_workers(config, supervisor)
    configure_mappers()  # else web and control each do it, in memory of their own
    announce(config, code)
    exit_code = supervisor.run()
    for lock in locks:
        os.close(lock)
    return exit_code


def worker(config: Config) -> int:
    """This machine's workers and what reports of them, until told to stop."""
    prepare(config, "worker")
    supervisor = Supervisor()
    _add_workers(config, supervisor)
    return supervisor.run()


def _add_workers(config: Config, supervisor: Supervisor) -> None:
    """This machine's workers, and the supervisor's report of the machine."""
    url = embedded_redis.url(config)
    context.configure(config, url, instance=supervisor.instance)
    workers = worker_children(config)
    for child in workers:
        supervisor.add(child)
    reporter = Reporter(
        config,
        url,
        supervisor.instance,
        lambda: sum(1 for child in workers if child.pid and not child.name.startswith("quick")),
    )
    supervisor.tick = _Every(REPORT_SECONDS, reporter.publish)


class _Every:
    """Calls ``publish`` every so many seconds, and again at the next tick when it failed."""

    def __init__(self, seconds: float, publish: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._publish = publish
        self._due = 0.0

    def __call__(self) -> None:
        if time.monotonic() >= self._due and self._publish():
            self._due = time.monotonic() + self._seconds


def alone(config: Config, role: str) -> int:
    """One of web, control, scheduler or redis, in this very process."""
    prepare(config, role)
    if role == "web":
        announce(config, migrate(config))
    if role == "control":
        upgrade(config).dispose()
    children: dict[str, Callable[[Config], Child]] = {
        "web": web_child,
        "control": control_child,
        "scheduler": scheduler_child,
        "redis": redis_child,
    }
    children[role](config).target()
    return 0


def prepare(config: Config, *roles: str) -> list[int]:
    """Folders, log format, and the locks of ``roles``; raises AlreadyRunning."""
    logging.basicConfig(
        level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr, force=True
    )
    for name in ("rq.worker", "rq_scheduler.scheduler", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    config.make_folders()
    return hold(config.run, *roles)


def upgrade(config: Config) -> Engine:
    """Bring the database up to date. Web and control may start at once: one does it, one waits."""
    lock = hold(config.run, "migrate", patience=MIGRATION_SECONDS)
    _require_key(config)
    try:
        engine = database.configure(config.sqlalchemy_url, Sealer(security_keys.load(config)))
        if schema.is_from_the_future(engine):
            raise CannotStart(
                "A newer borgui has made this database. Start that one, or put back your own"
                " backup of the data folder from before it."
            )
        if not schema.is_newest(engine):
            engine.dispose()
            failure = run_apart("migration", lambda: schema.upgrade(engine))
            if failure is not None:
                raise CannotStart(f"The database cannot be brought up to date: {failure}")
            say("the database was brought up to date")
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        reason = str(error).splitlines()[0]
        raise CannotStart(f"The database cannot be opened: {reason}") from error
    for descriptor in lock:
        os.close(descriptor)
    return engine


def migrate(config: Config) -> str | None:
    """Bring the database up to date; returns the set-up code while nobody can sign in.

    Each call makes the code before it void, so only who prints it may call this.
    """
    engine = upgrade(config)
    code = ensure_first_admin(Session(), config)
    Session.remove()
    engine.dispose()
    return code


def announce(config: Config, code: str | None) -> None:
    """Print where the web listens, and how the first account is made."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    print(f"borgui listens on http://{host}:{config.port}{config.url_prefix}/")  # noqa: T201
    if code is not None:
        print(f"Nobody can sign in yet. Set-up code (once): {code}")  # noqa: T201
    sys.stdout.flush()


def web_child(config: Config, rest: float | None = None) -> Child:
    """gunicorn around an application made here, before the fork, to share its memory.

    Listens from now on. ``rest``: seconds without a request after which it ends to be renewed.
    """
    from borgui import create_app
    from borgui.web import server

    app = create_app(config)
    return Child("web", server.serving(app, config, rest), stop_first=2)


def control_child(config: Config, rest: float | None = None) -> Child:
    """The one process that admits and finishes jobs.

    ``rest``: seconds without a call after which it ends to be renewed.
    """
    from borgui.control import process

    def run(url: str) -> bool:
        return process.run(config, url, rest)

    return Child("control", _with_redis(config, run), stop_first=3)


def scheduler_child(config: Config) -> Child:
    """rq-scheduler."""
    from borgui.schedules import process

    return Child("scheduler", _with_redis(config, process.run), stop_first=2)


def worker_children(config: Config) -> list[Child]:
    """As many workers as jobs may run at once, and the quick one."""
    from borgui.runner.worker import MachineWorker, QuickWorker

    def work(kind: type[MachineWorker] | type[QuickWorker]) -> Callable[[str], None]:
        def run(url: str) -> None:
            kind(config.machine, queueing.connect(url)).work(logging_level="WARNING")

        return run

    children = [
        Child(f"worker {number}", _with_redis(config, work(MachineWorker)))
        for number in range(1, config.jobs + 1)
    ]
    return [*children, Child("quick worker", _with_redis(config, work(QuickWorker)))]


def redis_child(config: Config) -> Child:
    """The embedded Redis, ended last."""
    return Child("redis", lambda: embedded_redis.serve(config), stop_first=4)


def _with_redis(config: Config, target: Callable[[str], bool | None]) -> Callable[[], bool | None]:
    def run() -> bool | None:
        embedded_redis.wait_until_ready(config, 30)
        return target(embedded_redis.url(config))

    return run


def _require_key(config: Config) -> None:
    """A new key beside an old database would make every passphrase in it unreadable."""
    key = config.data_dir / security_keys.FILE_NAME
    database_file = config.data_dir / "borgui.db"
    if config.secret_key is None and not key.exists() and database_file.exists():
        raise CannotStart(
            f"{key} is missing, but the database is there: without that key the passphrases in it"
            " cannot be read. Put the file back from your backup, or set BORGUI_SECRET_KEY to the"
            " one it was made with."
        )


def _require_port(config: Config) -> None:
    """Fail now, in words, rather than in a child that is started again and again."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            raise CannotStart(
                f"Cannot listen on {config.host}:{config.port}: {error.strerror}."
                " Stop what uses it, or set BORGUI_PORT."
            ) from error
