"""Repositories that become ready, or do not: every mode of borg, keys, and the same one twice."""

from pathlib import Path
from typing import Any

import pytest

from borgui.borg.encryption import MODES, Mode
from tests.integration.product import Product, borg


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_every_mode_of_borg(product: Product, tmp_path: Path, mode: Mode) -> None:
    more: dict[str, Any] = {} if mode.needs_passphrase else {"passphrase": None}
    path = tmp_path / "repository"
    repo_id = product.add_repository(mode.name, path, [], encryption=mode.name, **more)
    found = product.get(f"/api/repositories/{repo_id}").json
    assert (found["status"], found["encryption"]) == ("ready", mode.name)
    config = (path / "config").read_text()
    assert ("key = " in config) is (mode.needs_passphrase and not mode.needs_keyfile)
    keys = list((product.data_dir / "borg" / "keys").iterdir())
    kept = [each for each in keys if config.partition("id = ")[2].split()[0] in each.read_text()]
    assert bool(kept) is mode.needs_keyfile


def bring_in(product: Product, path: Path, **more: Any) -> tuple[int, dict[str, Any]]:
    """An import that has ended: the repository's id, and the job."""
    body = {"mode": "import", "path": str(path), "passphrase": "s3cret phrase", **more}
    answer = product.post("/api/repositories", body)
    assert answer.status == 201, answer.body
    return int(answer.json["id"]), product.wait_job(answer.json["job_id"])


def test_a_key_file_comes_with_its_import(product: Product, source: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    borg(old, "init", "-e", "keyfile", home=tmp_path)
    borg(old, "create", "::one", str(source), home=tmp_path)
    repo_id, job = bring_in(product, old, name="without its key")
    assert (job["status"], job["error_code"]) == ("failed", "key_missing")
    where = f"/api/repositories/{repo_id}"
    key = borg(old, "key", "export", str(old), "/dev/stdout", home=tmp_path)
    assert product.request("PUT", where, {"key": key}).status == 200
    again = product.post(f"/api/jobs/{job['id']}/retry").json["job_id"]
    assert product.wait_job(again)["status"] == "completed"
    assert product.get(where).json["status"] == "ready"
    archives = product.get(f"{where}/archives").json["items"]
    assert [each["name"] for each in archives] == ["one"]


def kept_keys(product: Product) -> dict[str, bytes]:
    folder = product.data_dir / "borg" / "keys"
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_a_key_of_a_refused_import_is_not_kept(product: Product, tmp_path: Path) -> None:
    """Neither where there was none, nor over the earlier one, nor over one in the repository."""
    before = kept_keys(product)
    old = tmp_path / "old"
    borg(old, "init", "-e", "keyfile", home=tmp_path)
    key = borg(old, "key", "export", str(old), "/dev/stdout", home=tmp_path)
    for passphrase, given, code in (
        ("another", key, "passphrase_wrong"),
        ("s3cret phrase", key.replace(key[9:13], "beef"), "key_invalid"),
    ):
        _, job = bring_in(product, old, name=code, key=given, passphrase=passphrase)
        assert (job["status"], job["error_code"]) == ("failed", code)
        assert kept_keys(product) == before
        assert product.request("DELETE", f"/api/repositories/{job['repository_id']}").status == 204

    repo_id, job = bring_in(product, old, name="right", key=key)
    assert job["status"] == "completed"
    (made,) = set(kept_keys(product)) - set(before)
    earlier = kept_keys(product)
    assert product.request("DELETE", f"/api/repositories/{repo_id}").status == 204
    borg(old, "key", "change-passphrase", home=tmp_path, BORG_NEW_PASSPHRASE="another")
    changed = borg(old, "key", "export", str(old), "/dev/stdout", home=tmp_path)
    _, job = bring_in(product, old, name="refused", key=changed)
    assert job["error_code"] == "passphrase_wrong"
    assert kept_keys(product) == earlier
    assert product.request("DELETE", f"/api/repositories/{job['repository_id']}").status == 204

    _, job = bring_in(product, old, name="right again", key=changed, passphrase="another")
    assert job["status"] == "completed"
    assert kept_keys(product) == earlier | {made: changed.encode()}
    assert list((product.data_dir / "borg").glob(".borgui-*")) == []


def test_a_key_in_the_repository_is_not_written_over(product: Product, tmp_path: Path) -> None:
    path = tmp_path / "repository"
    borg(path, "init", "-e", "repokey-blake2", home=tmp_path)
    config = (path / "config").read_text()
    key = borg(path, "key", "export", str(path), "/dev/stdout", home=tmp_path)
    cut = "\n".join(key.splitlines()[:-1]) + "\n"
    _, job = bring_in(product, path, name="wrong", key=cut, passphrase="another")
    assert job["error_code"] == "passphrase_wrong"
    assert (path / "config").read_text() == config


def test_one_repository_has_one_name(product: Product, source: Path, tmp_path: Path) -> None:
    """By another way to the same folder it would get a second lane. Borg has not noted that way."""
    first = product.add_repository("first", tmp_path / "repository", [source])
    (tmp_path / "link").symlink_to(tmp_path / "repository")
    second, job = bring_in(product, tmp_path / "link", name="second", accept_relocated=True)
    assert (job["status"], job["error_code"]) == ("failed", "repository_known")
    assert "first" in job["error_message"]
    found = product.get(f"/api/repositories/{second}").json
    assert (found["status"], found["borg_id"]) == ("error", None)

    assert product.wait_job(product.back_up(first))["status"] == "completed"
    assert list((product.data_dir / "borg").glob(".borgui-*")) == []


def test_a_place_that_borg_does_not_know_is_asked_about(
    product: Product, source: Path, tmp_path: Path
) -> None:
    """Also where another repository is here, and the new one is looked at first."""
    product.add_repository("other", tmp_path / "other", [])
    old = product.add_repository("moving", tmp_path / "old", [source])
    assert product.request("DELETE", f"/api/repositories/{old}").status == 204
    (tmp_path / "old").rename(tmp_path / "new")
    again, job = bring_in(product, tmp_path / "new", name="moved")
    assert (job["status"], job["error_code"]) == ("failed", "repository_relocated")
    where = f"/api/repositories/{again}"
    assert product.request("PUT", where, {"accept_relocated": True}).status == 200
    retry = product.post(f"/api/jobs/{job['id']}/retry").json["job_id"]
    assert product.wait_job(retry)["status"] == "completed"
    assert product.get(where).json["accept_relocated"] is False
