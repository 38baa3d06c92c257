"""The command line: ``doctor`` and each of its findings, ``user``, ``alive``, wrong settings."""

import io
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import select

from borgui import doctor, live, processes
from borgui.__main__ import main
from borgui.config import ROOT, Config, ConfigError
from borgui.models import Repository, Session, User
from borgui.security import setup_code
from borgui.security.passwords import verify
from tests.valkey_server import RedisServer


@pytest.fixture
def set_up(config: Config) -> Config:
    """As after a first start: key, database; Redis answers, nothing else runs."""
    processes.migrate(config)
    return config


def said(config: Config) -> dict[str, tuple[bool, str]]:
    """Subject → whether it is right, and the words."""
    return {each.subject: (not each.is_wrong, each.text) for each in doctor.examine(config)}


class Command(Protocol):
    """Exit code and all it printed."""

    def __call__(self, *arguments: str, stdin: str = "", **env: str) -> tuple[int, str]: ...


@pytest.fixture
def run(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """``python -m borgui …`` on the test's data folder and Redis, within this process."""

    def command(*arguments: str, stdin: str = "", **env: str) -> tuple[int, str]:
        settings = {"BORGUI_DATA_DIR": str(config.data_dir), "REDIS_URL": config.redis_url or ""}
        for name, value in {**settings, **env}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main(list(arguments))
        return code, "".join(capsys.readouterr())

    return command


def program(folder: Path, answer: str) -> str:
    """A program that prints ``answer`` to whatever it is asked."""
    path = folder / "other-borg"
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return str(path)


def report_a_machine(config: Config) -> None:
    client = live.connect(config.redis_url or "")
    facts = {"workers": 2, "reported_at": live.timestamp()}
    client.hset(live.machine_key(config.machine), mapping=live.encode(facts))


# --- doctor ---------------------------------------------------------------------------------------


def test_all_is_well(set_up: Config) -> None:
    report_a_machine(set_up)
    found = said(set_up)
    assert set(found) == {
        *("data folder", "disk", "key", "database", "Redis", "workers", "borg", "mounting", "clock")
    }
    assert all(is_right for is_right, _ in found.values()), found
    assert found["workers"][1] == "2 answer"
    assert "at /" in found["borg"][1]


def test_the_exit_code_is_1_when_something_is_wrong(set_up: Config, run: Command) -> None:
    code, text = run("doctor")
    assert code == 1
    assert "WRONG workers: none answers" in text
    report_a_machine(set_up)
    code, text = run("doctor")
    assert (code, "WRONG" in text) == (0, False)


def test_before_the_first_start_nothing_is_wrong(tmp_path: Path) -> None:
    found = said(Config(data_dir=tmp_path / "data"))
    assert all(is_right for is_right, _ in found.values()), found
    assert not (tmp_path / "data" / "secret.key").exists(), "a look makes no key"
    assert "not running now" in found["Redis"][1]


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    findings = doctor.examine(Config(data_dir=tmp_path / "file" / "data"))
    assert [each.subject for each in findings] == ["data folder"]
    assert findings[0].is_wrong
    assert str(tmp_path / "file") in findings[0].text


def test_a_data_folder_that_is_open_to_others(set_up: Config) -> None:
    set_up.data_dir.chmod(0o755)
    is_right, text = said(set_up)["data folder"]
    assert not is_right
    assert f"chmod 700 '{set_up.data_dir}'" in text


def test_what_another_user_has_made(set_up: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a start by root in a user's data folder, or the other way round."""
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    is_right, text = said(set_up)["data folder"]
    assert not is_right
    assert "belongs to" in text
    assert f"chown -R {doctor._name(own + 1)} '{set_up.data_dir}'" in text


def test_little_room_on_the_disk(set_up: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(set_up)["disk"][0]
    monkeypatch.setattr(doctor, "LITTLE_SPACE", shutil.disk_usage(set_up.data_dir).total + 1)
    is_right, text = said(set_up)["disk"]
    assert not is_right
    assert "make room" in text


def test_a_key_that_others_can_read(set_up: Config) -> None:
    key = set_up.data_dir / "secret.key"
    key.chmod(0o640)
    is_right, text = said(set_up)["key"]
    assert not is_right
    assert f"chmod 600 '{key}'" in text


def test_a_key_that_does_not_open_what_is_there(set_up: Config) -> None:
    """As after BORGUI_SECRET_KEY was changed, or a new key made in place of a lost one."""
    Session.add(
        Repository(
            name="letters", path="/srv/x", place="x", lane="x", status="ready", passphrase="secret"
        )
    )
    Session.commit()
    Session.remove()
    assert said(set_up)["key"][0]
    is_right, text = said(replace(set_up, secret_key="another key, long enough"))["key"]
    assert is_right, "the key in the file still opens it"
    (set_up.data_dir / "secret.key").write_text("another key, long enough".replace(" ", "-"))
    is_right, text = said(set_up)["key"]
    assert not is_right
    assert "does not open the passphrase of letters" in text


def test_a_key_that_cannot_be_read(set_up: Config) -> None:
    key = set_up.data_dir / "secret.key"
    key.unlink()
    key.mkdir()  # root may read everything else
    assert said(set_up)["key"] == (False, f"{key} cannot be read: Is a directory.")


def test_a_key_that_is_none(set_up: Config) -> None:
    (set_up.data_dir / "secret.key").write_text("short")
    is_right, text = said(set_up)["key"]
    assert not is_right
    assert "your own backup" in text
    assert not said(replace(set_up, secret_key="too short"))["key"][0]


def test_a_key_that_is_gone_is_not_made_anew(set_up: Config) -> None:
    key = set_up.data_dir / "secret.key"
    key.unlink()
    is_right, text = said(set_up)["key"]
    assert not is_right
    assert "put it back" in text
    assert not key.exists()


def test_a_database_at_no_revision(set_up: Config) -> None:
    with sqlite3.connect(set_up.data_dir / "borgui.db") as database:
        database.execute("DELETE FROM alembic_version")
    database.close()
    is_right, text = said(set_up)["database"]
    assert not is_right
    assert "at revision none" in text
    assert "python -m borgui migrate" in text


def test_a_database_that_a_newer_borgui_has_made(set_up: Config, run: Command) -> None:
    with sqlite3.connect(set_up.data_dir / "borgui.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert said(set_up)["database"] == (
        False,
        "at revision 9999, which a newer borgui has made; start that one",
    )
    code, text = run("migrate")
    assert code == 1
    assert "A newer borgui has made this database." in text


def test_a_database_that_is_none(set_up: Config, run: Command) -> None:
    for path in set_up.data_dir.glob("borgui.db*"):
        path.unlink()
    (set_up.data_dir / "borgui.db").write_bytes(b"no database at all" * 100)
    is_right, text = said(set_up)["database"]
    assert not is_right
    assert "not a database" in text
    code, text = run("migrate")
    assert code == 1
    assert "The database cannot be opened" in text


def test_a_database_without_its_driver(set_up: Config, run: Command) -> None:
    url = "oracle+cx_oracle://user:secret@nowhere/borgui"
    is_right, text = said(replace(set_up, database_url=url))["database"]
    assert not is_right
    assert "cx_Oracle" in text
    assert "secret" not in text
    code, text = run("migrate", DATABASE_URL=url)
    assert code == 1
    assert "cx_Oracle" in text


def test_redis_is_away(set_up: Config, redis_server: RedisServer) -> None:
    redis_server.stop()
    found = said(set_up)
    assert not found["Redis"][0]
    assert "REDIS_URL does not answer" in found["Redis"][1]
    assert "workers" not in found


def test_borg_is_missing(set_up: Config) -> None:
    is_right, text = said(replace(set_up, borg="no-such-borg"))["borg"]
    assert not is_right
    assert "apt install borgbackup" in text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("borg 2.0.0b14", "is not supported"),
        ("borg 1.1.16", "is too old"),
        ("The Borg will assimilate you", "is not a borg"),
    ],
)
def test_a_borg_we_cannot_drive(set_up: Config, tmp_path: Path, answer: str, words: str) -> None:
    is_right, text = said(replace(set_up, borg=program(tmp_path, answer)))["borg"]
    assert not is_right
    assert words in text


def test_a_newer_borg_of_the_same_line_is_right(set_up: Config, tmp_path: Path) -> None:
    borg = program(tmp_path, "borg 1.4.5")
    assert said(replace(set_up, borg=borg))["borg"] == (True, f"1.4.5 at {borg}")


def test_a_clock_that_went_back(set_up: Config) -> None:
    ahead = time.time() + 3600
    file = set_up.run / "1.json"
    file.write_text("{}")
    os.utime(file, (ahead, ahead))
    is_right, text = said(set_up)["clock"]
    assert not is_right
    assert "set the clock" in text


# --- user -----------------------------------------------------------------------------------------


def test_an_account_is_made_and_mended(config: Config, run: Command) -> None:
    code, text = run("user", "ann", stdin="correct horse\n")
    assert (code, "The account ann (admin) was made." in text) == (0, True)
    code, text = run("user", "ann", "--role", "viewer", stdin="another horse\n")
    assert (code, "The account ann (viewer) was changed." in text) == (0, True)
    processes.upgrade(config)
    user = Session().scalars(select(User)).one()
    assert (user.username, user.role) == ("ann", "viewer")
    assert verify(user.password_hash, "another horse")
    Session.remove()


def test_a_poor_password_leaves_the_set_up_code_as_it_is(config: Config, run: Command) -> None:
    code = processes.migrate(config)
    assert code is not None
    assert run("user", "ann", stdin="x\n")[0] == 1
    processes.upgrade(config)
    assert not setup_code.has_users(Session())
    assert setup_code.claim(Session(), code, "admin", "correct horse") is not None
    Session.remove()


def test_a_role_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SystemExit) as end:
        main(["user", "ann", "--role", "king"])
    assert end.value.code == 2


# --- alive, and settings that are off -------------------------------------------------------------


@pytest.mark.parametrize("role", ["control", "scheduler", "worker"])
def test_alive_asks_redis(config: Config, role: str, run: Command) -> None:
    assert run("alive", role)[0] == 1
    report_a_machine(config)
    live.connect(config.redis_url or "").mset({"borgui:control": "1", "borgui:scheduler": "1"})
    assert run("alive", role) == (0, "")


def test_alive_without_redis(config: Config, redis_server: RedisServer, run: Command) -> None:
    redis_server.stop()
    assert run("alive", "control")[0] == 1


def test_alive_of_a_web_that_is_away(config: Config, run: Command) -> None:
    code, text = run("alive", "web", BORGUI_PORT="1")
    assert code == 1
    assert "the web does not answer" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BORGUI_PORT", "99999"),
        ("BORGUI_PORT", "eighty"),
        ("BORGUI_JOBS", "0"),
        ("BORGUI_TRUSTED_PROXIES", "-1"),
        ("BORGUI_URL_PREFIX", "borgui"),
        ("BORGUI_MACHINE", "my machine"),
        ("REDIS_URL", "localhost:6379"),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Config.from_env({name: value})


def test_the_exit_code_reaches_the_shell() -> None:
    """Of a process of its own, once; every command answers a wrong setting with 2."""
    done = subprocess.run(
        [sys.executable, "-m", "borgui", "doctor"],
        cwd=ROOT,
        env={**os.environ, "BORGUI_JOBS": "many"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    words = "borgui: BORGUI_JOBS must be a whole number from 1 to 64, not 'many'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", words)


def test_a_database_without_its_key_is_not_given_a_new_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BORGUI_DATA_DIR", str(tmp_path / "data"))
    assert main(["migrate"]) == 0
    (tmp_path / "data" / "secret.key").unlink()
    assert main(["migrate"]) == 1
    assert "secret.key is missing" in capsys.readouterr().err
    assert not (tmp_path / "data" / "secret.key").exists()
