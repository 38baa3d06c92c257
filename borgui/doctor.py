"""``python -m borgui doctor``: what is missing or wrong, in plain words."""

import os
import pwd
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import redis
import sqlalchemy
import sqlalchemy.exc

from borgui import embedded_redis, live, queueing
from borgui.config import Config
from borgui.models import schema
from borgui.runner import fuse, program
from borgui.security import keys as security_keys
from borgui.security.sealing import Sealer, SealError

LITTLE_SPACE = 1_000_000_000
EARLIEST_YEAR = 2026
SKEW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``text`` says what is, and when ``is_wrong`` what to do."""

    subject: str
    text: str
    is_wrong: bool = False

    def __str__(self) -> str:
        return f"{'WRONG' if self.is_wrong else 'ok':<6}{self.subject}: {self.text}"


def examine(config: Config) -> list[Finding]:
    """Look at everything; changes nothing but the data folder it may have to make.

    Where that cannot be used the rest is not looked at: it lies in there.
    """
    try:
        config.make_folders()
        findings = list(_data_folder(config))
    except OSError as error:
        where = error.filename or config.data_dir
        return [Finding("data folder", f"{where}: {error.strerror}", is_wrong=True)]
    for look in (_disk, _key, _database, _redis, _borg, _clock):
        findings.extend(look(config))
    return findings


def _data_folder(config: Config) -> Iterator[Finding]:
    foreign = [
        path
        for path in (config.data_dir, *sorted(config.data_dir.iterdir()))
        if path.lstat().st_uid != os.geteuid()
    ]
    if foreign:
        text = (
            f"{foreign[0]} belongs to {_name(foreign[0].lstat().st_uid)}, and this runs as"
            f" {_name(os.geteuid())}: run borgui always as the same user, or give it the folder:"
            f" chown -R {_name(os.geteuid())} '{config.data_dir}'"
        )
        yield Finding("data folder", text, is_wrong=True)
        return
    if not os.access(config.data_dir, os.W_OK | os.X_OK):
        yield Finding("data folder", f"{config.data_dir} cannot be written to", is_wrong=True)
        return
    mode = stat.S_IMODE(config.data_dir.stat().st_mode)
    if mode & 0o077:
        text = f"{config.data_dir} is open to other people; run: chmod 700 '{config.data_dir}'"
        yield Finding("data folder", text, is_wrong=True)
    else:
        yield Finding("data folder", f"{config.data_dir} belongs to borgui alone")


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def _disk(config: Config) -> Iterator[Finding]:
    free = shutil.disk_usage(config.data_dir).free
    text = f"{free / 1e9:.1f} GB free where the data folder lies"
    if free < LITTLE_SPACE:
        text += f"; make room: below {LITTLE_SPACE / 1e9:g} GB logs and borg's cache may not fit"
    yield Finding("disk", text, is_wrong=free < LITTLE_SPACE)


def _key(config: Config) -> Iterator[Finding]:
    path = config.data_dir / security_keys.FILE_NAME
    if config.secret_key is None and not path.exists():
        yield _no_key(config, path)
        return
    try:
        keys = security_keys.load(config)
    except security_keys.MasterKeyError as error:
        yield Finding("key", str(error), is_wrong=True)
        return
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        text = f"{path} can be read by other people; run: chmod 600 '{path}'"
        yield Finding("key", text, is_wrong=True)
    elif closed := _closed_to(keys, config):
        text = (
            f"it does not open the passphrase of {closed[0]}{_and_more(closed)}: put back the key"
            " that sealed it, or enter the passphrase again in the repository's settings"
        )
        yield Finding("key", text, is_wrong=True)
    else:
        yield Finding("key", "there, and closed to other people")


def _and_more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _closed_to(keys: security_keys.Keys, config: Config) -> list[str]:
    """The repositories whose passphrases these keys do not open; none where that is not known,
    which is told of the database."""
    if config.database_url is None and not _has_database(config):
        return []
    sealer = Sealer(keys)
    try:
        engine = sqlalchemy.create_engine(config.sqlalchemy_url)
        sealed = "SELECT name, passphrase FROM repositories WHERE passphrase IS NOT NULL"
        with engine.connect() as connection:
            rows = connection.execute(sqlalchemy.text(f"{sealed} ORDER BY name")).all()
        engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ModuleNotFoundError):
        return []
    return [name for name, token in rows if not _opens(sealer, token)]


def _opens(sealer: Sealer, token: str) -> bool:
    try:
        sealer.open(token)
    except SealError:
        return False
    return True


def _no_key(config: Config, path: Path) -> Finding:
    if not _has_database(config):
        return Finding("key", "none yet; it is made at the first start")
    text = (
        f"{path} is gone, and with it what opens the passphrases in the database:"
        " put it back from your own backup before borgui starts and makes a new one"
    )
    return Finding("key", text, is_wrong=True)


def _has_database(config: Config) -> bool:
    """Whether one is there; of ``DATABASE_URL`` that is not known before it is asked."""
    return config.database_url is None and (config.data_dir / "borgui.db").exists()


def _database(config: Config) -> Iterator[Finding]:
    if config.database_url is None and not _has_database(config):
        yield Finding("database", "none yet; it is made at the first start")
        return
    try:
        engine = sqlalchemy.create_engine(config.sqlalchemy_url)
        present = schema.present_revision(engine)
        is_newer = schema.is_from_the_future(engine)
        engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        yield Finding("database", f"cannot be opened: {error}".splitlines()[0], is_wrong=True)
        return
    wanted = schema.newest_revision()
    if present == wanted:
        yield Finding("database", f"at revision {present}")
    elif is_newer:
        text = f"at revision {present}, which a newer borgui has made; start that one"
        yield Finding("database", text, is_wrong=True)
    else:
        text = f"at revision {present or 'none'}, not {wanted}; run: python -m borgui migrate"
        yield Finding("database", text, is_wrong=True)


def _redis(config: Config) -> Iterator[Finding]:
    try:
        client = queueing.connect(embedded_redis.url(config), timeout=2)
        server = client.info("server")
    except embedded_redis.NoRedis as error:
        yield Finding("Redis", str(error), is_wrong=True)
        return
    except redis.RedisError as error:
        yield from _no_redis(config, error)
        return
    found = server.get("valkey_version") or server.get("redis_version") or "0"
    numbers = [int(part) for part in re.findall(r"\d+", str(found))[:2]]
    text = f"{server.get('server_name', 'redis')} {found} answers"
    yield Finding("Redis", text, is_wrong=numbers < [6, 2])
    report = live.read_machine(client, config.machine)
    yield Finding(
        "workers",
        "none answers; start borgui" if report is None else f"{report.workers} answer",
        is_wrong=report is None,
    )


def _no_redis(config: Config, error: redis.RedisError) -> Iterator[Finding]:
    if config.redis_url is not None:
        yield Finding("Redis", f"REDIS_URL does not answer: {error}", is_wrong=True)
        return
    try:
        server = embedded_redis.server_program()
    except embedded_redis.NoRedis as missing:
        yield Finding("Redis", str(missing), is_wrong=True)
    else:
        yield Finding("Redis", f"embedded, not running now ({Path(server).name})")


def _borg(config: Config) -> Iterator[Finding]:
    try:
        borg = program.find(config)
    except program.BorgMissingError as error:
        yield Finding("borg", str(error), is_wrong=True)
    else:
        yield Finding("borg", f"{borg.version} at {borg.path}")
        problem = fuse.problem() or fuse.problem_of_borg(config)
        text = f"archives cannot be mounted. {problem}" if problem else "archives can be mounted"
        yield Finding("mounting", text)


def _clock(config: Config) -> Iterator[Finding]:
    now = time.time()
    newest = max(_written(config.run), default=0.0)
    wrong = time.gmtime(now).tm_year < EARLIEST_YEAR or newest > now + SKEW_SECONDS
    text = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} UTC"
    if wrong:
        text += "; that lies before what was written here: set the clock (chrony, timesyncd)"
    yield Finding("clock", text, is_wrong=wrong)


def _written(folder: Path) -> Iterator[float]:
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):  # what ran a moment ago may be gone
            yield path.stat().st_mtime
