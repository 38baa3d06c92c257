"""On PostgreSQL instead of SQLite: the migrations, and the way from a repository to a restore."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from borgui.models import schema
from borgui.models.session import _engine
from tests.integration.product import running

SERVER = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))
TABLES = text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL of its own, which listens on a Unix socket alone."""
    # Below /tmp itself: the path of a socket is short, and the server's own user gets there.
    folder = Path("/tmp") / f"borgui-pg-{os.getpid()}"
    folder.mkdir(0o700)
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = pwd.getpwnam("postgres").pw_name
        shutil.chown(folder, user, user)

    def run(*words: str) -> None:
        subprocess.run(
            [SERVER / words[0], "-D", folder / "data", *words[1:]],
            user=user,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    run("initdb", "-A", "trust", "-U", "borgui", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    options = f"-c listen_addresses= -k {folder} -c fsync=off"
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://borgui@/postgres?host={folder}"
    finally:
        with suppress(subprocess.CalledProcessError):
            run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def url(server: str) -> str:
    """An empty database."""
    engine = _engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return server


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = _engine(url)
    yield engine
    engine.dispose()


def test_migrations_make_what_the_models_say_and_can_be_taken_back(engine: Engine) -> None:
    from alembic import command

    schema.upgrade(engine)
    assert schema.differences(engine) == []
    command.downgrade(schema.alembic_config(engine), "base")
    with engine.connect() as connection:
        assert connection.scalar(TABLES) == 1  # Alembic's own
    schema.upgrade(engine)
    assert schema.is_newest(engine)


def test_from_a_repository_to_a_restore(url: str, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.mkdir()
    (source / "letter").write_bytes(b"dear diary" * 1000)
    (source / os.fsdecode(b"caf\xe9\n")).write_bytes(b"odd")
    with running(tmp_path / "product", DATABASE_URL=url) as product:
        assert not (product.data_dir / "borgui.db").exists()
        repository = product.add_repository("photos", tmp_path / "repository", [source])

        keys = [{"Idempotency-Key": "once"}] * 4
        with ThreadPoolExecutor(4) as pool:
            answers = list(
                pool.map(
                    lambda headers: product.post(
                        "/api/backup/run", {"repository_id": repository}, headers=headers
                    ),
                    keys,
                )
            )
        numbers = {answer.json["job_id"] for answer in answers}
        assert len(numbers) == 1
        job = product.wait_job(numbers.pop())
        assert (job["status"], job["nfiles"]) == ("completed", 2)

        archives = product.get(f"/api/repositories/{repository}/archives").json["items"]
        archive = archives[0]["id"]
        for call, body in (
            (f"/api/archives/{archive}/index", {}),
            (f"/api/repositories/{repository}/refresh", {}),
            (f"/api/repositories/{repository}/drill", {}),
            (f"/api/archives/{archive}/restore", {"destination": str(back)}),
        ):
            answer = product.post(call, body)
            assert answer.status in {200, 202}, (call, answer.body)
            if answer.status == 202:
                ended = product.wait_job(answer.json["job_id"])
                assert ended["status"] == "completed", (call, ended)
        restored = back / str(source).lstrip("/")
        assert {os.fsencode(each.name) for each in restored.iterdir()} == {b"caf\xe9\n", b"letter"}
        assert (restored / "letter").read_bytes() == b"dear diary" * 1000

        assert product.get("/health").json["database"] == "ok"
