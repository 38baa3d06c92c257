"""Archives are deleted, renamed and given a comment, as borg then tells of them."""

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.product import Product, borg


@pytest.fixture
def kept(product: Product, source: Path, tmp_path: Path) -> tuple[int, Path]:
    """A repository with three archives: its id and path."""
    repository = tmp_path / "repository"
    repo_id = product.add_repository(tmp_path.name, repository, [source])
    for _ in range(3):
        assert product.wait_job(product.back_up(repo_id))["status"] == "completed"
    return repo_id, repository


def archives(product: Product, repo_id: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = product.get(f"/api/repositories/{repo_id}/archives").json[
        "items"
    ]
    return found


def told_by_borg(repository: Path, home: Path) -> dict[str, str]:
    raw = borg(repository, "list", "--json", "--format={comment}", home=home)
    return {each["name"]: each["comment"] for each in json.loads(raw)["archives"]}


def test_an_archive_is_renamed_and_given_a_comment(
    product: Product, kept: tuple[int, Path], tmp_path: Path
) -> None:
    repo_id, repository = kept
    oldest = archives(product, repo_id)[-1]
    wanted = {"name": "before the move", "comment": "Größe {braces} & co\nsecond line"}
    answer = product.request("PUT", f"/api/archives/{oldest['id']}", wanted)
    assert answer.status == 202, answer.body
    assert product.wait_job(answer.json["job_id"])["status"] == "completed"
    row = next(each for each in archives(product, repo_id) if each["id"] == oldest["id"])
    assert (row["name"], row["nfiles"]) == ("before the move", oldest["nfiles"])
    assert row["borg_id"] != oldest["borg_id"]
    assert told_by_borg(repository, tmp_path)["before the move"] == wanted["comment"]
    assert len(archives(product, repo_id)) == 3


def index_jobs(product: Product, repo_id: int) -> int:
    return int(product.get(f"/api/jobs?kind=index&repository_id={repo_id}").json["total"])


@pytest.mark.parametrize(
    "wanted", [{"name": "new"}, {"comment": "c"}, {"name": "x", "comment": "y"}]
)
def test_a_renamed_archive_keeps_its_index(
    product: Product, kept: tuple[int, Path], source: Path, wanted: dict[str, str]
) -> None:
    repo_id, _ = kept
    assert product.request("PUT", "/api/settings", {"auto_index": False}).status == 200
    oldest = archives(product, repo_id)[-1]
    where = f"/api/archives/{oldest['id']}"
    assert product.get(f"{where}/entries").status == 409
    made = product.post(f"{where}/index").json["job_id"]
    assert product.wait_job(made)["status"] == "completed"
    entries = product.get(f"{where}/entries?path={str(source).lstrip('/')}").json
    assert entries["total"] == 2
    before = index_jobs(product, repo_id)
    renamed = product.wait_job(product.request("PUT", where, wanted).json["job_id"])
    assert renamed["status"] == "completed", renamed
    row = next(each for each in archives(product, repo_id) if each["id"] == oldest["id"])
    assert row["borg_id"] != oldest["borg_id"]
    assert product.get(f"{where}/entries?path={str(source).lstrip('/')}").json == entries
    assert product.post(f"{where}/index").json == {"job_id": None, "status": "completed"}
    assert index_jobs(product, repo_id) == before


def test_an_archive_without_an_index_is_renamed_without_one(
    product: Product, kept: tuple[int, Path]
) -> None:
    repo_id, _ = kept
    assert product.request("PUT", "/api/settings", {"auto_index": False}).status == 200
    where = f"/api/archives/{archives(product, repo_id)[0]['id']}"
    job = product.wait_job(product.request("PUT", where, {"name": "new"}).json["job_id"])
    assert (job["status"], job["warning_count"]) == ("completed", 0), job
    assert product.get(f"{where}/entries").status == 409


def test_an_archive_is_deleted_and_the_others_stay(
    product: Product, kept: tuple[int, Path], tmp_path: Path
) -> None:
    repo_id, repository = kept
    newest, middle, oldest = archives(product, repo_id)
    answer = product.request("DELETE", f"/api/archives/{middle['id']}")
    assert answer.status == 202, answer.body
    assert product.wait_job(answer.json["job_id"])["status"] == "completed"
    names = {newest["name"], oldest["name"]}
    assert {each["name"] for each in archives(product, repo_id)} == names
    assert set(told_by_borg(repository, tmp_path)) == names


def test_what_cannot_be_is_refused(product: Product, kept: tuple[int, Path]) -> None:
    repo_id, _ = kept
    newest, middle, _ = archives(product, repo_id)
    where = f"/api/archives/{newest['id']}"
    for body in ({}, {"name": "a/b"}, {"name": "{now}"}, {"name": middle["name"]}, {"nme": "x"}):
        assert product.request("PUT", where, body).status == 422, body
    assert product.request("DELETE", "/api/archives/999999").status == 404
    assert product.request("PUT", "/api/archives/999999", {"name": "x"}).status == 404


def test_a_name_that_somebody_has_used_again_is_not_deleted(
    product: Product, kept: tuple[int, Path], source: Path, tmp_path: Path
) -> None:
    repo_id, repository = kept
    newest = archives(product, repo_id)[0]
    name = str(newest["name"])
    borg(repository, "delete", f"::{name}", home=tmp_path)
    borg(repository, "create", f"::{name}", str(source), home=tmp_path)
    for method, body in (("DELETE", None), ("PUT", {"name": "other"})):
        answer = product.request(method, f"/api/archives/{newest['id']}", body)
        job = product.wait_job(answer.json["job_id"])
        assert (job["status"], job["error_code"]) == ("failed", "archive_changed")
    assert name in told_by_borg(repository, tmp_path)


def test_another_repository_at_the_path_is_not_deleted(
    product: Product, source: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    repo_id = product.add_repository(tmp_path.name, repository, [source])
    shutil.rmtree(repository)
    borg(repository, "init", "--encryption=repokey-blake2", home=tmp_path)
    answer = product.request("DELETE", f"/api/repositories/{repo_id}?delete_data=true")
    job = product.wait_job(answer.json["job_id"])
    assert job["status"] == "failed"
    assert (repository / "config").exists()
