"""Every setting that comes from the environment: its name, default and check."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds ``borgui/``, ``templates/``, ``static/`` and ``migrations/``."""


class ConfigError(ValueError):
    """A setting in the environment has no usable value; the message names it."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a process needs to know before it starts. Made once, by :meth:`from_env`."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    admin_password: str | None = None
    secret_key: str | None = None
    database_url: str | None = None
    redis_url: str | None = None
    jobs: int = 2
    borg: str = "borg"
    url_prefix: str = ""
    trusted_proxies: int = 0
    machine: str = "local"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Config":
        """Read the settings; raises :class:`ConfigError`, whose sentence names the variable."""
        env = os.environ if environ is None else environ
        prefix = env.get("BORGUI_URL_PREFIX", "").strip().rstrip("/")
        if prefix and not prefix.startswith("/"):
            raise ConfigError(f"BORGUI_URL_PREFIX must begin with a slash, not {prefix!r}")
        machine = env.get("BORGUI_MACHINE", "local")
        if not machine.replace("-", "").replace("_", "").isalnum() or not machine.isascii():
            raise ConfigError("BORGUI_MACHINE may hold letters, digits, - and _ only")
        return cls(
            data_dir=Path(env.get("BORGUI_DATA_DIR") or "data").expanduser().absolute(),
            host=env.get("BORGUI_HOST") or "127.0.0.1",
            port=_number(env, "BORGUI_PORT", 8000, 1, 65535),
            admin_password=env.get("BORGUI_ADMIN_PASSWORD") or None,
            secret_key=env.get("BORGUI_SECRET_KEY") or None,
            database_url=env.get("DATABASE_URL") or None,
            redis_url=_redis_url(env),
            jobs=_number(env, "BORGUI_JOBS", 2, 1, 64),
            borg=env.get("BORGUI_BORG") or "borg",
            url_prefix=prefix,
            trusted_proxies=_number(env, "BORGUI_TRUSTED_PROXIES", 0, 0, 10),
            machine=machine,
        )

    @property
    def sqlalchemy_url(self) -> str:
        """The database to use: ``DATABASE_URL``, else SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'borgui.db'}"

    @property
    def logs(self) -> Path:
        """One file a job, ``{job_id}.log``, whole."""
        return self.data_dir / "logs"

    @property
    def indexes(self) -> Path:
        """One file a repository, ``{repository_id}.db``: see :mod:`borgui.index`."""
        return self.data_dir / "indexes"

    @property
    def downloads(self) -> Path:
        """What downloads prepared: see :mod:`borgui.downloads`."""
        return self.data_dir / "downloads"

    @property
    def diffs(self) -> Path:
        """What content diffs found, ``{job_id}.db``: see :mod:`borgui.diff_file`."""
        return self.data_dir / "diffs"

    @property
    def drills(self) -> Path:
        """Where restore drills restore to; empty while none runs."""
        return self.data_dir / "drills"

    @property
    def mounts(self) -> Path:
        """Where archives are mounted: see :mod:`borgui.runner.mounting`."""
        return self.data_dir / "mounts"

    @property
    def run(self) -> Path:
        """Lock and state files of what runs on this machine."""
        return self.data_dir / "run"

    @property
    def borg_home(self) -> Path:
        """Borg's own cache, config, security and keys folders."""
        return self.data_dir / "borg"

    @property
    def links(self) -> Path:
        """Links to repositories whose paths borg cannot take: see :mod:`borgui.runner.linking`."""
        return self.borg_home / "links"

    def make_folders(self) -> None:
        """Create the data folder and what lies in it, closed to other people (mode 0700)."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        names = ("logs", "run", "indexes", "downloads", "diffs", "drills", "mounts", "redis")
        for name in (*names, "machine", "borg"):
            (self.data_dir / name).mkdir(exist_ok=True, mode=0o700)
        for name in ("cache", "config", "security", "keys", "links"):
            (self.borg_home / name).mkdir(exist_ok=True, mode=0o700)


def _redis_url(env: Mapping[str, str]) -> str | None:
    url = env.get("REDIS_URL") or None
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise ConfigError("REDIS_URL must begin with redis://, rediss:// or unix://")
    return url


def _number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ConfigError(f"{name} must be a whole number from {low} to {high}, not {text!r}")
    return int(text)
