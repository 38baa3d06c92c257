"""Repositories at paths that borg itself cannot take: they work as all others do."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from borgui.runner import fuse
from tests.integration.product import Product, borg, wait_for

NO_FUSE = fuse.problem()


def at(folder: Path, *names: bytes) -> Path:
    return folder.joinpath(*map(os.fsdecode, names))


def add(product: Product, path: Path, name: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """A repository, and the job that opened it, ended."""
    body = {
        "name": name,
        "path_b64": base64.b64encode(os.fsencode(path)).decode(),
        "passphrase": "s3cret phrase",
        **more,
    }
    answer = product.post("/api/repositories", body)
    assert answer.status == 201, answer.body
    return int(answer.json["id"]), product.wait_job(answer.json["job_id"])


def done(
    product: Product, address: str, body: Any = None, *, method: str = "POST"
) -> dict[str, Any]:
    """The job that this call started, ended well."""
    answer = product.request(method, address, {} if body is None else body)
    assert answer.status == 202, answer.body
    job = product.wait_job(answer.json["job_id"])
    assert job["status"] == "completed", (job, product.account())
    return job


def archives(product: Product, repo_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = product.get(f"/api/repositories/{repo_id}/archives").json["items"]
    return found


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file()
    }


def kept_by_borg(product: Product, borg_id: str) -> list[Path]:
    """What borg keeps of a repository beside it."""
    home = product.data_dir / "borg"
    folders = home / "cache" / borg_id, home / "security" / borg_id
    return [each for each in folders if each.exists()]


@pytest.mark.parametrize("names", [(b"caf\xe9", b"repo"), (b"::caf\xe9\n: ",)])
def test_from_init_to_its_end(
    product: Product, source: Path, tmp_path: Path, names: tuple[bytes, ...]
) -> None:
    path = at(tmp_path, *names)
    path.parent.mkdir(exist_ok=True)
    (path.parent / "beside").write_text("stays")
    repo_id, init = add(product, path, f"life {names}", source_directories=[str(source)])
    assert init["status"] == "completed", init
    assert (path / "config").exists()
    where = f"/api/repositories/{repo_id}"
    found = product.get(where).json
    assert base64.b64decode(found["path_b64"]) == os.fsencode(path)

    backup = done(product, "/api/backup/run", {"repository_id": repo_id})
    assert f"# a link to $'{tmp_path}/" in backup["command"]
    assert backup["command"].startswith(f"BORG_REPO={product.data_dir}/borg/links/")
    done(product, f"{where}/refresh")
    (archive,) = archives(product, repo_id)
    restored = tmp_path / "restored"
    restored.mkdir()
    done(product, f"/api/archives/{archive['id']}/restore", {"destination": str(restored)})
    assert bytes_of(restored / str(source).lstrip("/")) == bytes_of(source)

    assert kept_by_borg(product, found["borg_id"])
    done(product, f"{where}?delete_data=true", method="DELETE")
    assert not os.path.lexists(path)
    assert (path.parent / "beside").read_text() == "stays"
    assert kept_by_borg(product, found["borg_id"]) == []
    assert product.get(where).status == 404
    assert list((product.data_dir / "borg" / "links").iterdir()) == []


def test_an_import_can_do_all_that_others_can(
    product: Product, source: Path, tmp_path: Path
) -> None:
    """Borg made it by a link of the user's own; borgui's borg has never seen that."""
    path = at(tmp_path, b"old\xff")
    path.mkdir()
    (tmp_path / "way").symlink_to(path)
    borg(tmp_path / "way", "init", "-e", "repokey", home=tmp_path)
    borg(tmp_path / "way", "create", "::one", str(source), home=tmp_path)
    repo_id, job = add(product, path, "old", mode="import", source_directories=[str(source)])
    assert job["status"] == "completed", job
    (source / "new.txt").write_text("new")
    done(product, "/api/backup/run", {"repository_id": repo_id})
    newest, one = archives(product, repo_id)
    assert one["name"] == "one"
    done(product, f"/api/archives/{one['id']}/diff/{newest['id']}")
    query = f"/api/archives/{one['id']}/diff/{newest['id']}?contents=true"
    assert "new.txt" in json.dumps(product.get(query).json)
    done(product, f"/api/archives/{one['id']}/index")
    done(product, f"/api/repositories/{repo_id}/drill", {"all": True})
    done(product, f"/api/repositories/{repo_id}/break-lock")
    done(product, f"/api/archives/{one['id']}", {"name": "two"}, method="PUT")
    done(product, f"/api/archives/{newest['id']}", method="DELETE")
    (two,) = archives(product, repo_id)
    assert two["name"] == "two"
    download = done(product, f"/api/archives/{two['id']}/downloads", {"paths": [], "format": "tar"})
    assert product.get(f"/api/downloads/{download['id']}").status == 200
    if NO_FUSE is None:
        mount = product.post(f"/api/archives/{two['id']}/mount").json["job_id"]
        wait_for(lambda: bool(product.job(mount)["mounted_at"]), 30, "it is not mounted")
        product.request("DELETE", f"/api/mounts/{mount}")
        assert product.wait_job(mount)["status"] == "completed"


def test_what_borg_says_names_the_repository(
    product: Product, source: Path, tmp_path: Path
) -> None:
    """Not the link; and a stale lock of this machine is found behind it."""
    path = at(tmp_path, b"\xe9")
    repo_id, _ = add(product, path, "locked", source_directories=[str(source)])
    host = (product.data_dir / "machine" / "host-id").read_text().strip()
    lock = path / "lock.exclusive"
    lock.mkdir()
    owner = lock / f"elsewhere.{2**22 - 1}-0"
    owner.touch()
    job = product.wait_job(product.post(f"/api/repositories/{repo_id}/refresh").json["job_id"])
    assert job["error_code"] == "lock_timeout"
    log = product.get(f"/api/jobs/{job['id']}/log").body.decode()
    assert f"the lock {tmp_path}/\\xe9/lock.exclusive" in log
    owner.rename(lock / f"{host}.{os.getpid()}-0")  # a pid that is not borg's by now
    done(product, f"/api/repositories/{repo_id}/refresh")
    path.rename(tmp_path / "away")
    job = product.wait_job(product.post(f"/api/repositories/{repo_id}/refresh").json["job_id"])
    assert job["error_code"] == "repository_missing"
    assert "/borg/links/" not in job["error_message"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"gone/\xe9", "parent_missing"),
        (b"full\xe9", "path_not_empty"),
        (b"file\xe9", "path_not_empty"),
        (b"repo\xe9/data/\xe9", "repository_exists"),
        (b"repo\xe9", "repository_exists"),
        (b"empty\xe9", None),
    ],
)
def test_where_a_new_one_may_lie(
    product: Product, tmp_path: Path, name: bytes, code: str | None
) -> None:
    """As borg has it at other paths: what is above the link is not what is above the folder."""
    at(tmp_path, b"full\xe9", b"x").mkdir(parents=True)
    at(tmp_path, b"file\xe9").touch()
    at(tmp_path, b"empty\xe9").mkdir()
    at(tmp_path, b"repo\xe9", b"data").mkdir(parents=True)
    readme = at(tmp_path, b"repo\xe9", b"README")
    readme.write_text("This is a Borg Backup repository.\nSee https://borgbackup.readthedocs.io/\n")
    before = sorted(tmp_path.rglob("*"))
    _, job = add(product, at(tmp_path, name), f"new {name!r}")
    assert (job["error_code"], job["status"] == "completed") == (code, code is None), job
    if code is not None:
        assert sorted(tmp_path.rglob("*")) == before


def test_an_append_only_one_is_not_deleted(product: Product, tmp_path: Path) -> None:
    path = at(tmp_path, b"\xe9")
    repo_id, _ = add(product, path, "append-only")
    config = path / "config"
    config.write_text(config.read_text().replace("append_only = 0", "append_only = 1"))
    before = bytes_of(path)
    answer = product.request("DELETE", f"/api/repositories/{repo_id}?delete_data=true", {})
    job = product.wait_job(answer.json["job_id"])
    assert (job["status"], job["error_code"]) == ("failed", "append_only")
    assert bytes_of(path).keys() == before.keys()
    assert (path / "config").read_text() == config.read_text()


def test_a_repository_behind_a_link_of_the_users_is_deleted(
    product: Product, tmp_path: Path
) -> None:
    """Borg alone would remove its config, and then fail at the link."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    repo_id, _ = add(product, tmp_path / "link", "behind a link")
    done(product, f"/api/repositories/{repo_id}?delete_data=true", method="DELETE")
    assert list(tmp_path.glob("*")) == []
