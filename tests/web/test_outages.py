"""A disk that is full or read-only, a database that is damaged: 503 with the reason, never 500."""

import errno
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import Engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from borgui import create_app, outages
from borgui.config import Config
from borgui.jobs.job import Job, Status
from borgui.models import Archive, Base, Repository, Session, Token, now
from borgui.models.session import engine
from tests.valkey_server import RedisServer
from tests.web.world import Someone, add_job, add_repository


@pytest.fixture
def config(tmp_path: Path, redis_server: RedisServer) -> Iterator[Config]:
    """Settings with a data folder on a small disk of its own; Redis is elsewhere, and well."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=True)
    try:
        config = Config(data_dir=disk / "data", redis_url=redis_server.url)
        config.make_folders()
        yield config
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """An application of its own, on that disk."""
    app = create_app(config)
    own = engine()
    Base.metadata.create_all(own)
    yield app
    Session.remove()
    own.dispose()


def fill(folder: Path) -> Path:
    """Take all the space that is left."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (100_000, 4096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    assert os.statvfs(folder).f_bavail == 0
    return path


@pytest.fixture
def rows(app: Flask) -> tuple[int, int, int]:
    """A repository, its archive, and a job of it that waits."""
    repository = add_repository("photos")
    job = add_job(repository_id=repository, status=Status.PENDING)
    row = Archive(repository_id=repository, borg_id="00", name="one", start=now())
    Session.add(row)
    Session.commit()
    archive = row.id
    Session.remove()
    return repository, archive, job


def writes(repository: int, archive: int, job: int) -> list[tuple[str, str, Any]]:
    """Calls of the API that write."""
    new = {"name": "n", "path": "/srv/n", "passphrase": "x", "source_directories": ["/etc"]}
    return [
        ("POST", "/api/backup/run", {"repository_id": repository}),
        ("POST", "/api/repositories", new),
        ("PUT", f"/api/repositories/{repository}", {"name": "other"}),
        ("POST", f"/api/repositories/{repository}/refresh", {}),
        ("DELETE", f"/api/archives/{archive}", {}),
        ("POST", f"/api/archives/{archive}/restore", {"destination": "/srv/out"}),
        ("POST", f"/api/archives/{archive}/downloads", {"format": "tar"}),
        ("POST", f"/api/jobs/{job}/cancel", {}),
        ("PUT", "/api/settings", {"retry_limit": 2}),
        ("POST", "/api/tokens", {"name": "t"}),
    ]


def forms(repository: int, archive: int, job: int) -> list[tuple[str, dict[str, str]]]:
    """Pages' forms that write."""
    return [
        (f"/repositories/{repository}/backup", {}),
        (f"/repositories/{repository}/settings", {"name": "other", "compression": "lz4",
                                                  "archive_name_template": "{now}"}),
        (f"/archives/{archive}/restore", {"to": "folder", "destination": "/srv/out"}),
        (f"/jobs/{job}/cancel", {}),
        ("/account/tokens", {"name": "t"}),
    ]  # fmt: skip


def counts() -> list[int]:
    found = [Session.query(each).count() for each in (Repository, Archive, Job, Token)]
    Session.remove()
    return found


def test_a_full_disk(
    admin: Someone, config: Config, rows: tuple[int, int, int], redis: redis.Redis
) -> None:
    repository, archive, job = rows
    pages = ["/", "/jobs", f"/jobs/{job}", f"/repositories/{repository}", "/settings",
             f"/repositories/{repository}/settings", f"/archives/{archive}/restore"]  # fmt: skip
    assert admin.client.get("/").status_code == 200
    assert admin.csrf
    before = counts()
    filler = fill(config.data_dir)
    for method, path, body in writes(*rows):
        answer = admin.api(method, path, json=body)
        told = (answer.status_code, answer.json.get("error", {}).get("code"))
        assert told == (503, "disk_full"), (method, path, answer.text)
        assert answer.headers["Retry-After"]
    for path, form in forms(*rows):
        answer = admin.browser("POST", path, data=form)
        assert (answer.status_code, "is full" in answer.text) == (503, True), (path, answer.text)
        assert answer.mimetype == "text/html"
    for page in pages:
        assert admin.browser("GET", page).status_code == 200, page
    assert counts() == before
    assert redis.llen("rq:queue:control") == 0, "nothing was put in a queue"
    assert not redis.keys("borgui:cancel:*")
    filler.unlink()
    for method, path, body in writes(*rows):
        assert admin.api(method, path, json=body).status_code in {200, 201, 202}, (method, path)


def test_a_database_that_cannot_be_written(
    admin: Someone, app: Flask, rows: tuple[int, int, int]
) -> None:
    engine = Session.get_bind()
    assert isinstance(engine, Engine)
    assert admin.csrf
    Session.remove()
    engine.dispose()
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only=ON"))
    for method, path, body in writes(*rows):
        answer = admin.api(method, path, json=body)
        told = (answer.status_code, answer.json.get("error", {}).get("code"))
        assert told == (503, "disk_read_only"), (method, path, answer.text)
    for path, form in forms(*rows):
        assert admin.browser("POST", path, data=form).status_code == 503, path
    assert admin.browser("GET", "/").status_code == 200


def test_a_damaged_database(admin: Someone, config: Config, rows: tuple[int, int, int]) -> None:
    engine = Session.get_bind()
    assert isinstance(engine, Engine)
    assert admin.csrf
    Session.remove()
    engine.dispose()
    (config.data_dir / "borgui.db").write_bytes(b"no database " * 1000)
    for suffix in ("-wal", "-shm"):
        (config.data_dir / f"borgui.db{suffix}").unlink(missing_ok=True)
    for method, path, body in writes(*rows):
        answer = admin.api(method, path, json=body)
        assert (answer.status_code, answer.json["error"]["code"]) == (503, "database_damaged")
    page = admin.browser("GET", "/")
    assert (page.status_code, "The database is damaged" in page.text) == (503, True)


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), "disk_full"),
        (sqlite_error(sqlite3.SQLITE_READONLY_DBMOVED), "disk_read_only"),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), "database_damaged"),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), "database_unavailable"),
        (sqlite_error(sqlite3.SQLITE_CANTOPEN), "database_unavailable"),
        (OperationalError("", {}, sqlite_error(sqlite3.SQLITE_FULL)), "disk_full"),
        (DatabaseError("", {}, sqlite3.DatabaseError("x")), "database_damaged"),
        (IntegrityError("", {}, sqlite3.IntegrityError("x")), None),
        (sqlite3.ProgrammingError("x"), None),
    ],
)
def test_what_a_database_says(error: Exception, code: str | None) -> None:
    found = outages.of_database(error)
    assert (found.code if found else None) == code


def test_what_redis_and_the_system_say() -> None:
    full = outages.of_redis(redis.ResponseError("MISCONF Errors writing to the AOF file"))
    assert full is not None
    assert "no space" in full.message
    away = outages.of_redis(redis.ConnectionError("gone"))
    assert away is not None
    assert "cannot be reached" in away.message
    assert outages.of_redis(redis.WatchError()) is None
    for number, code in ((errno.ENOSPC, "disk_full"), (errno.EROFS, "disk_read_only")):
        found = outages.of_system(OSError(number, "x"))
        assert found is not None
        assert found.code == code
    assert outages.of_system(OSError(errno.ENOENT, "x")) is None
