"""What borg did although its job did not complete is seen: the archives are listed anew, once; a
repository that an init had made is opened by the next try.

Borg is the real one, run by a script that can end itself, or wait, when borg has done its work.
"""

import os
import shutil
import signal
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.product import Product, borg, running, wait_for

SCRIPT = """#!/bin/sh
trick=$(cat "{folder}/$2" 2>/dev/null || cat "{folder}/$1" 2>/dev/null)
case "$trick" in
  "") exec borg "$@" ;;
  refuse) exit 2 ;;
esac
borg "$@" > /dev/null
case "$trick" in
  kill) kill -KILL $$ ;;
  term) kill -TERM $$ ;;
  wait) touch "{folder}/done"; exec sleep 60 ;;
  fail) exit 2 ;;
esac
"""


class Tricks:
    """What borg's commands are to do after their work, by their name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "borg"
        self.program.write_text(SCRIPT.format(folder=folder))
        self.program.chmod(0o755)

    def set(self, command: str, trick: str) -> None:
        (self.folder / command).write_text(trick)

    def none(self) -> None:
        for each in self.folder.iterdir():
            if each != self.program:
                each.unlink()

    def wait_done(self) -> None:
        wait_for((self.folder / "done").exists, 30, "borg has not done its work")


@pytest.fixture(scope="module")
def tricks(tmp_path_factory: pytest.TempPathFactory) -> Tricks:
    return Tricks(tmp_path_factory.mktemp("tricks"))


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, tricks: Tricks) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("product")
    with running(folder / "data", BORGUI_BORG=str(tricks.program)) as started:
        assert started.request("PUT", "/api/settings", {"auto_index": False}).status == 200
        yield started


@pytest.fixture
def place(product: Product, source: Path, tmp_path: Path, tricks: Tricks) -> Iterator[int]:
    """A repository without archives; its id."""
    yield product.add_repository(tmp_path.name, tmp_path / "repository", [source])
    tricks.none()


def refreshes(product: Product, repo_id: int) -> list[dict[str, Any]]:
    items = product.get(f"/api/jobs?repository_id={repo_id}&kind=refresh").json["items"]
    found: list[dict[str, Any]] = items
    return found


def names(product: Product, repo_id: int) -> list[str]:
    items = product.get(f"/api/repositories/{repo_id}/archives").json["items"]
    return sorted(each["name"] for each in items)


def is_there(product: Product, repo_id: int, job: dict[str, Any]) -> None:
    """The archive of ``job``, whose name was known before borg ended, is there."""
    assert names(product, repo_id) == [job["archive_name"]]


def ids(product: Product, repo_id: int) -> list[int]:
    items = product.get(f"/api/repositories/{repo_id}/archives").json["items"]
    return [each["id"] for each in items]


def refreshed(product: Product, repo_id: int) -> None:
    """One refresh was made by itself, of low priority, and completed."""
    (job,) = refreshes(product, repo_id)
    assert (job["trigger"], job["priority"]) == ("chain", "low")
    assert product.wait_job(job["id"])["status"] == "completed"
    assert len(refreshes(product, repo_id)) == 1


@pytest.mark.parametrize("trick", ["kill", "term", "fail"])
def test_a_backup_that_ends_with_its_archive_made(
    product: Product, place: int, tricks: Tricks, trick: str
) -> None:
    tricks.set("create", trick)
    job = product.wait_job(product.back_up(place))
    assert job["status"] == "failed", job
    refreshed(product, place)
    is_there(product, place, job)


def test_a_backup_cancelled_at_its_very_end(product: Product, place: int, tricks: Tricks) -> None:
    tricks.set("create", "wait")
    job = product.back_up(place)
    tricks.wait_done()
    product.post(f"/api/jobs/{job}/cancel")
    ended = product.wait_job(job)
    assert ended["status"] == "cancelled"
    refreshed(product, place)
    is_there(product, place, ended)


def test_a_worker_killed_at_the_very_end(product: Product, place: int, tricks: Tricks) -> None:
    tricks.set("create", "wait")
    job = product.back_up(place)
    tricks.wait_done()
    pid = product.wait_job(job, "running")["process_pid"]
    horse = psutil.Process(pid).parent()
    assert horse is not None
    os.kill(horse.pid, signal.SIGKILL)
    ended = product.wait_job(job)
    assert (ended["status"], ended["error_code"]) == ("failed", "worker_killed")
    refreshed(product, place)
    is_there(product, place, ended)


def test_deletes_and_renames_that_fail_half_way(
    product: Product, place: int, tricks: Tricks, tmp_path: Path
) -> None:
    for _ in range(3):
        assert product.wait_job(product.back_up(place))["status"] == "completed"
    first, second, _ = ids(product, place)
    tricks.set("delete", "fail")
    answer = product.request("DELETE", f"/api/archives/{first}")
    assert product.wait_job(answer.json["job_id"])["status"] == "failed"
    refreshed(product, place)
    assert first not in ids(product, place)
    tricks.set("rename", "kill")
    answer = product.request("PUT", f"/api/archives/{second}", {"name": "renamed"})
    assert product.wait_job(answer.json["job_id"])["status"] == "failed"
    wait_for(lambda: len(refreshes(product, place)) == 2, 10, "no second refresh")
    assert product.wait_job(refreshes(product, place)[0]["id"])["status"] == "completed"
    assert "renamed" in names(product, place)
    told = borg(tmp_path / "repository", "list", "--short", home=tmp_path).split()
    assert names(product, place) == sorted(told)


@pytest.mark.parametrize(("command", "trick"), [("recreate", "refuse"), ("rename", "kill")])
def test_an_archive_keeps_its_row_when_half_of_a_rename_was_done(
    product: Product, place: int, tricks: Tricks, command: str, trick: str
) -> None:
    """It has its new name, and no comment: its links lead to it, and so does its index."""
    assert product.wait_job(product.back_up(place))["status"] == "completed"
    (archive,) = ids(product, place)
    where = f"/api/archives/{archive}"
    assert product.wait_job(product.post(f"{where}/index").json["job_id"])["status"] == "completed"
    tricks.set(command, trick)
    wanted = {"name": "renamed", "comment": "c"}
    job = product.wait_job(product.request("PUT", where, wanted).json["job_id"])
    assert job["status"] == "failed"
    refreshed(product, place)
    assert (ids(product, place), names(product, place)) == ([archive], ["renamed"])
    if command == "recreate":
        assert product.get(f"{where}/entries").status == 200


def test_nothing_is_listed_where_borg_could_not_begin(
    product: Product, place: int, tricks: Tricks, tmp_path: Path
) -> None:
    """A wrong passphrase; a delete that was refused before borg was asked to delete."""
    assert product.wait_job(product.back_up(place))["status"] == "completed"
    (archive,) = ids(product, place)
    tricks.set("list", "refuse")
    answer = product.request("DELETE", f"/api/archives/{archive}")
    assert product.wait_job(answer.json["job_id"])["status"] == "failed"
    tricks.none()
    where = f"/api/repositories/{place}"
    assert product.request("PUT", where, {"passphrase": "not this"}).status == 200
    job = product.wait_job(product.back_up(place))
    assert job["error_code"] == "passphrase_wrong"
    (tmp_path / "repository").rename(tmp_path / "away")
    job = product.wait_job(product.back_up(place))
    assert job["error_code"] == "repository_missing"
    assert refreshes(product, place) == []


def test_a_refresh_that_fails_is_not_made_again(
    product: Product, place: int, tricks: Tricks
) -> None:
    tricks.set("create", "fail")
    tricks.set("list", "refuse")
    assert product.wait_job(product.back_up(place))["status"] == "failed"
    (job,) = refreshes(product, place)
    assert product.wait_job(job["id"])["status"] == "failed"
    time.sleep(2)
    assert len(refreshes(product, place)) == 1


def test_one_refresh_that_waits_is_enough(product: Product, place: int, tricks: Tricks) -> None:
    tricks.set("create", "wait")
    job = product.back_up(place)
    tricks.wait_done()
    waiting = product.post(f"/api/repositories/{place}/refresh").json["job_id"]
    product.post(f"/api/jobs/{job}/cancel")
    ended = product.wait_job(job)
    assert product.wait_job(waiting)["status"] == "completed"
    assert [each["id"] for each in refreshes(product, place)] == [waiting]
    is_there(product, place, ended)


def add(
    product: Product, folder: Path, encryption: str, name: str = "new"
) -> tuple[int, dict[str, Any]]:
    """A new repository whose init has ended; its id and that job."""
    body: dict[str, Any] = {
        "name": f"{folder.name} {encryption}",
        "path_b64": b64encode(os.fsencode(folder / name)).decode(),
        "encryption": encryption,
    }
    if encryption != "none":
        body["passphrase"] = "s3cret phrase"
    answer = product.post("/api/repositories", body)
    return int(answer.json["id"]), product.wait_job(answer.json["job_id"])


def again(product: Product, repo_id: int, job: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The job run again to its end, and the state of its repository then."""
    answer = product.post(f"/api/jobs/{job['id']}/retry")
    assert answer.status == 202
    ended = product.wait_job(answer.json["job_id"])
    return ended, product.get(f"/api/repositories/{repo_id}").json["status"]


@pytest.mark.parametrize(
    ("encryption", "command"), [("none", "list"), ("repokey", "list"), ("repokey", "init")]
)
def test_an_init_that_ends_after_its_repository_was_made(
    product: Product, tricks: Tricks, tmp_path: Path, encryption: str, command: str
) -> None:
    tricks.set(command, "kill")
    repo_id, job = add(product, tmp_path, encryption)
    tricks.none()
    assert job["status"] == "failed"
    job, status = again(product, repo_id, job)
    assert (job["status"], status) == ("completed", "ready")


def unfinish(repository: Path, owner: str) -> None:
    """What an init leaves that is killed before its manifest is written."""
    for each in repository.iterdir():
        if each.name not in {"README", "config", "data"}:
            each.unlink()
    shutil.rmtree(repository / "data")
    (repository / "data").mkdir()
    (repository / "lock.exclusive").mkdir()
    (repository / "lock.exclusive" / owner).touch()


@pytest.fixture
def unfinished(
    request: pytest.FixtureRequest, product: Product, tricks: Tricks, tmp_path: Path
) -> tuple[int, dict[str, Any]]:
    """A repository and its init, which was killed before its manifest was written. Its folder has
    the name that a test gives as a parameter."""
    name = getattr(request, "param", "new")
    tricks.set("init", "kill")
    added = add(product, tmp_path, "keyfile", name)
    tricks.none()
    host = (product.data_dir / "machine" / "host-id").read_text().strip()
    unfinish(tmp_path / name, f"{host}.{2**22 - 1}-0")
    return added


@pytest.mark.parametrize("unfinished", ["new", "neu\udcfc "], indirect=True)
def test_what_an_init_left_unfinished_is_made_anew(
    product: Product, unfinished: tuple[int, dict[str, Any]]
) -> None:
    job, status = again(product, *unfinished)
    assert (job["status"], status) == ("completed", "ready"), job


@pytest.mark.parametrize("sign", ["segment", "key", "file", "owner"])
def test_what_may_be_more_than_unfinished_is_left_alone(
    product: Product, unfinished: tuple[int, dict[str, Any]], tmp_path: Path, sign: str
) -> None:
    new = tmp_path / "new"
    if sign == "segment":
        (new / "data" / "0").mkdir()
        (new / "data" / "0" / "1").write_bytes(b"BORG_SEG")
    elif sign == "key":
        with (new / "config").open("a") as config:
            config.write("key = hqlhbGdvcml0aG2mc2hhMjU2\n")
    elif sign == "file":
        (new / "letter.txt").write_text("of somebody else")
    else:
        (new / "lock.exclusive" / "elsewhere.1-0").touch()
    config, readme = (new / "config").read_bytes(), (new / "README").stat().st_ino
    job, status = again(product, *unfinished)
    assert (job["status"], status) == ("failed", "error")
    assert (new / "config").read_bytes() == config
    assert (new / "README").stat().st_ino == readme


@pytest.mark.parametrize(
    ("encryption", "code"),
    [
        ("none", "unencrypted_unknown"),
        ("repokey", "passphrase_wrong"),
        ("repokey-blake2", "repository_exists"),
    ],
)
def test_a_strangers_repository_is_not_taken_for_the_one_an_init_made(
    product: Product, tricks: Tricks, tmp_path: Path, source: Path, encryption: str, code: str
) -> None:
    """Without a passphrase, with another one, with the same one and an archive."""
    tricks.set("init", "refuse")
    repo_id, job = add(product, tmp_path, encryption)
    tricks.none()
    same = "s3cret phrase" if code == "repository_exists" else "another one"
    new = tmp_path / "new"
    borg(new, "init", "-e", encryption, home=tmp_path, passphrase=same)
    if code == "repository_exists":
        borg(new, "create", "::one", str(source), home=tmp_path, passphrase=same)
    job, status = again(product, repo_id, job)
    assert (job["status"], job["error_code"], status) == ("failed", code, "error")


def test_a_repository_is_imported_although_an_archive_cannot_be_described(
    product: Product, tricks: Tricks, tmp_path: Path, source: Path
) -> None:
    """A warning, and what is whole can be restored; the same at a refresh."""
    path = tmp_path / "old"
    borg(path, "init", "-e", "none", home=tmp_path)
    borg(path, "create", "::one", str(source), home=tmp_path)
    tricks.set("info", "refuse")
    body = {"name": "old", "mode": "import", "path": str(path), "accept_unencrypted": True}
    added = product.post("/api/repositories", body).json
    imported = product.wait_job(added["job_id"])
    refresh = product.post(f"/api/repositories/{added['id']}/refresh").json["job_id"]
    for ended in (imported, product.wait_job(refresh)):
        assert (ended["status"], ended["warning_count"]) == ("completed", 1), ended
    assert product.get(f"/api/repositories/{added['id']}").json["status"] == "ready"
    assert names(product, added["id"]) == ["one"]
    tricks.none()
