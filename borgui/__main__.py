"""The command line: ``python -m borgui COMMAND``."""

import argparse
import getpass
import sys
from collections.abc import Callable

from borgui import __version__
from borgui.config import Config, ConfigError


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code. What a person must change is said in one sentence."""
    options = _parser().parse_args(arguments)
    command: Callable[[Config, argparse.Namespace], int] = options.command
    try:
        return command(Config.from_env(), options)
    except ConfigError as error:
        print(f"borgui: {error}", file=sys.stderr)
        return 2
    except _expected_errors() as error:
        print(f"borgui: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="borgui", description="A web UI for BorgBackup.")
    parser.add_argument("--version", action="version", version=f"borgui {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, text: str, command: Callable[[Config, argparse.Namespace], int]
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        return sub

    add("up", "everything, under one supervisor", _up)
    add("web", "the web server alone", _alone("web"))
    add("control", "the process that admits and finishes jobs", _alone("control"))
    add("scheduler", "the triggers", _alone("scheduler"))
    add("redis", "the embedded Redis alone", _alone("redis"))
    add("worker", "this machine's workers", _worker)
    add("migrate", "bring the database up to date", _migrate)
    add("doctor", "say what is missing or wrong; exit code 1 if so", _doctor)
    alive = add("alive", "exit code 0 if the named process answers; for health checks", _alive)
    alive.add_argument("role", choices=("web", "control", "worker", "scheduler"))
    user = add("user", "make an account, or give one a new password or role", _user)
    user.add_argument("username")
    user.add_argument("--role", choices=("admin", "operator", "viewer"))
    return parser


def _up(config: Config, _options: argparse.Namespace) -> int:
    from borgui import processes

    return processes.up(config)


def _worker(config: Config, _options: argparse.Namespace) -> int:
    from borgui import processes

    return processes.worker(config)


def _alone(role: str) -> Callable[[Config, argparse.Namespace], int]:
    def command(config: Config, _options: argparse.Namespace) -> int:
        from borgui import processes

        return processes.alone(config, role)

    return command


def _migrate(config: Config, _options: argparse.Namespace) -> int:
    from borgui import processes

    config.make_folders()
    code = processes.migrate(config)
    if code is not None:
        print(f"Nobody can sign in yet. Set-up code (once): {code}")
    return 0


def _doctor(config: Config, _options: argparse.Namespace) -> int:
    from borgui import doctor

    findings = doctor.examine(config)
    for finding in findings:
        print(finding)
    return 1 if any(finding.is_wrong for finding in findings) else 0


def _alive(config: Config, options: argparse.Namespace) -> int:
    from borgui import embedded_redis, queueing
    from borgui.live import machine_key, process_key

    if options.role == "web":
        return _web_alive(config)
    role = options.role
    key = machine_key(config.machine) if role == "worker" else process_key(role)
    client = queueing.connect(embedded_redis.url(config), timeout=3)
    return 0 if client.exists(key) else 1


def _web_alive(config: Config) -> int:
    from http.client import HTTPConnection, HTTPException

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)  # noqa: S104
    connection = HTTPConnection(host, config.port, timeout=4)
    try:
        connection.request("GET", "/health?live=1")
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, HTTPException) as error:
        print(f"borgui: the web does not answer: {error}", file=sys.stderr)
        return 1


def _user(config: Config, options: argparse.Namespace) -> int:
    from borgui import processes
    from borgui.models import Session
    from borgui.security.accounts import set_account

    config.make_folders()
    processes.upgrade(config)
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    print(set_account(Session(), options.username, password, options.role))
    return 0


def _expected_errors() -> tuple[type[Exception], ...]:
    from redis import RedisError

    from borgui.embedded_redis import NoRedis
    from borgui.errors import DomainError
    from borgui.processes import CannotStart
    from borgui.security.keys import MasterKeyError
    from borgui.supervisor import AlreadyRunning

    return (AlreadyRunning, CannotStart, DomainError, MasterKeyError, NoRedis, RedisError)


if __name__ == "__main__":
    sys.exit(main())
