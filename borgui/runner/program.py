"""Which borg this machine has, and under which host id it runs."""

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from borgui import durable
from borgui.borg import commands, environment
from borgui.borg.version import VersionError, check_supported, parse_version
from borgui.config import Config
from borgui.runner import process

CACHE_NAME = "borg-version.json"
ANSWER_SECONDS = 20


class BorgMissingError(Exception):
    """There is no borg here that we can drive; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Borg:
    """A borg we can drive: where it is and its version, such as ``1.2.4``."""

    path: str
    version: str


def find(config: Config) -> Borg:
    """The borg of this machine. Asks a program for its version once, until its file changes.

    Raises :class:`BorgMissingError`.
    """
    path = locate(config.borg)
    mark = _mark(path)
    version = _cached(config, mark)
    if version is None:
        version = _ask(config, path)
        _remember(config, mark, version)
    try:
        problem = check_supported(parse_version(f"borg {version}"))
    except VersionError as error:
        raise BorgMissingError(str(error)) from error
    if problem:
        raise BorgMissingError(problem)
    return Borg(path, version)


def locate(program: str) -> str:
    """The absolute path of a program; raises :class:`BorgMissingError`."""
    path = shutil.which(program)
    if path is None:
        raise BorgMissingError(
            f"The program {program} was not found on this machine. Install borgbackup "
            "(on Debian: apt install borgbackup), or set BORGUI_BORG to its path."
        )
    return str(Path(path).absolute())


def base_environment(config: Config) -> dict[str, str]:
    """What every borg of this machine has in its environment."""
    return environment.base(
        borg_home=str(config.borg_home),
        host_id=host_id(config),
        home=os.environ.get("HOME") or str(config.data_dir),
        path=os.environ.get("PATH") or environment.DEFAULT_PATH,
    )


def host_id(config: Config) -> str:
    """This machine's name for borg's locks: made once, kept in ``DATA_DIR/machine/host-id``.

    Without a dot: in a lock's name the last dot stands before the pid. Raises OSError.
    """
    path = config.data_dir / "machine" / "host-id"
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = f"borgui-{secrets.token_hex(8)}\n".encode()
        text = durable.make_once(path, made).decode().strip()
    return text


def _mark(path: str) -> list[str | int]:
    """Changes when another program lies at ``path``, also behind a link."""
    real = Path(path).resolve()
    try:
        found = real.stat()
    except OSError as error:
        raise BorgMissingError(f"{path} cannot be read: {error.strerror}.") from error
    return [str(real), found.st_mtime_ns, found.st_size]


def _cached(config: Config, mark: list[str | int]) -> str | None:
    try:
        known = json.loads((config.run / CACHE_NAME).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(known, dict) or known.get("program") != mark:
        return None
    version = known.get("version")
    return version if isinstance(version, str) else None


def _remember(config: Config, mark: list[str | int], version: str) -> None:
    """A full disk only means that the program is asked again."""
    text = json.dumps({"program": mark, "version": version})
    try:
        durable.replace(config.run / CACHE_NAME, text.encode())
    except OSError as error:
        process.log.warning("borg's version could not be kept: %s", error)


def _ask(config: Config, path: str) -> str:
    try:
        code, answer = process.output_of(
            [path, *commands.version()], seconds=ANSWER_SECONDS, env=base_environment(config)
        )
    except process.StartError as error:
        raise BorgMissingError(str(error)) from error
    except OSError as error:
        raise BorgMissingError(f"The data folder cannot be used: {error}.") from error
    try:
        return str(parse_version(answer))
    except VersionError as error:
        raise BorgMissingError(f"{path} --version ended with exit code {code}. {error}") from error
