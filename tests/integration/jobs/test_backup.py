"""The product's heart: a repository, a backup, and an archive that borg itself gives back."""

import filecmp
import json
import os
from pathlib import Path

from tests.integration.product import Product, borg


def test_a_backup_comes_back_byte_for_byte(product: Product, source: Path, tmp_path: Path) -> None:
    odd = os.fsencode(source) + b"/caf\xe9\nold"
    with open(odd, "wb") as file:  # noqa: PTH123 - a name that is no text
        file.write(b"latin-1")
    repository = tmp_path / "repository"
    repo_id = product.add_repository("letters", repository, [source])
    job = product.wait_job(product.back_up(repo_id))
    assert (job["status"], job["warning_count"], job["exit_code"]) == ("completed", 0, 0)
    assert job["progress_percent"] == 100
    assert job["process_pid"]

    archives = product.get(f"/api/repositories/{repo_id}/archives").json
    assert [each["name"] for each in archives["items"]] == [job["archive_name"]]
    listed = json.loads(borg(repository, "list", "--json", home=tmp_path))
    assert [each["name"] for each in listed["archives"]] == [job["archive_name"]]
    told = json.loads(borg(repository, "info", "--json", f"::{job['archive_name']}", home=tmp_path))
    stats = told["archives"][0]["stats"]
    assert job["nfiles"] == stats["nfiles"] == 3
    # create counts the archive's own metadata, info does not
    assert 0 <= job["original_size"] - stats["original_size"] < 4096

    out = tmp_path / "out"
    out.mkdir()
    borg(repository, "extract", f"::{job['archive_name']}", home=tmp_path)
    restored = tmp_path / str(source).lstrip("/")
    assert filecmp.cmpfiles(source, restored, ["photo.bin", "letters/a.txt"], shallow=False) == (
        ["photo.bin", "letters/a.txt"],
        [],
        [],
    )
    with open(os.fsencode(restored) + b"/caf\xe9\nold", "rb") as file:  # noqa: PTH123
        assert file.read() == b"latin-1"


def test_a_missing_source_is_a_warning_with_its_path(
    product: Product, source: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    repo_id = product.add_repository("half", tmp_path / "repository", [source, gone])
    job = product.wait_job(product.back_up(repo_id))
    assert job["status"] == "completed"
    assert job["warning_count"] == 1
    page = product.get(f"/api/jobs/{job['id']}/log?follow=false").body.decode()
    assert str(gone) in page


def test_nothing_readable_is_a_failure(product: Product, tmp_path: Path) -> None:
    repo_id = product.add_repository("none", tmp_path / "repository", [tmp_path / "gone"])
    job = product.wait_job(product.back_up(repo_id))
    assert (job["status"], job["error_code"]) == ("failed", "nothing_readable")
    assert job["progress_percent"] != 100


def test_progress_speaks_while_it_runs(product: Product, big_source: Path, tmp_path: Path) -> None:
    repo_id = product.add_repository("big", tmp_path / "repository", [big_source])
    job_id = product.back_up(repo_id)
    product.wait_job(job_id, "running")
    seen = []
    while (job := product.job(job_id))["status"] == "running":
        seen.append(job)
    assert job["status"] == "completed", job
    percents = [each["progress_percent"] for each in seen if each["progress_percent"] is not None]
    assert percents == sorted(percents)
    # 100 is only seen once borg has ended, in the moment before control has settled the row
    assert any(0 < percent < 100 for percent in percents)
    assert all(each["current_file"] is None for each in seen if each["progress_percent"] == 100)
    assert any(each["current_file"] for each in seen)
    assert any((each["original_size"] or 0) > 0 for each in seen)
    assert job["original_size"] >= 240_000_000


def test_a_second_backup_is_measured_by_the_first(
    product: Product, source: Path, tmp_path: Path
) -> None:
    repo_id = product.add_repository("twice", tmp_path / "repository", [source])
    first = product.wait_job(product.back_up(repo_id))
    second = product.wait_job(product.back_up(repo_id))
    assert second["archive_name"] != first["archive_name"]
    assert second["deduplicated_size"] < first["deduplicated_size"]
    assert product.get(f"/api/repositories/{repo_id}/archives").json["total"] == 2


def test_the_same_key_is_the_same_job(product: Product, source: Path, tmp_path: Path) -> None:
    repo_id = product.add_repository("once", tmp_path / "repository", [source])
    headers = {"Idempotency-Key": "a-key-of-mine"}
    body = {"repository_id": repo_id}
    first = product.post("/api/backup/run", body, headers=headers)
    again = product.post("/api/backup/run", body, headers=headers)
    other = product.post("/api/backup/run", body)
    assert first.json == again.json
    assert other.json["job_id"] != first.json["job_id"]
    product.wait_job(other.json["job_id"])


def test_the_secret_key_stays_out_by_whatever_way_its_folder_is_reached(
    product: Product, tmp_path: Path
) -> None:
    """A folder on the way to the source is a link: borg sees paths that the key does not have."""
    (tmp_path / "link").symlink_to(product.data_dir.parent)
    own = tmp_path / "link" / product.data_dir.name
    for name, more in (("own", {}), ("whole", {"include_secret_key": True})):
        repo_id = product.add_repository(name, tmp_path / name, [own], **more)
        job = product.wait_job(product.back_up(repo_id))
        command = ("list", "--short", f"::{job['archive_name']}")
        inside = borg(tmp_path / name, *command, home=tmp_path).splitlines()
        assert f"{own}/borgui.db"[1:] in inside
        assert (f"{own}/secret.key"[1:] in inside) is bool(more)


def test_another_repository_at_the_same_path(
    product: Product, source: Path, tmp_path: Path
) -> None:
    """Two disks take turns: what one holds is never listed as the other's."""
    path = tmp_path / "repository"
    repo_id = product.add_repository("rotated", path, [source])
    assert product.wait_job(product.back_up(repo_id))["status"] == "completed"
    where = f"/api/repositories/{repo_id}"
    before = product.get(f"{where}/archives").json
    path.rename(tmp_path / "first")
    borg(path, "init", "-e", "repokey", home=tmp_path)

    refresh = product.post(f"{where}/refresh").json["job_id"]
    for job in (product.back_up(repo_id), refresh):
        ended = product.wait_job(job)
        assert (ended["status"], ended["error_code"]) == ("failed", "repository_changed")
    assert product.get(f"{where}/archives").json == before


def test_what_was_accepted_at_an_import_does_not_stay_accepted(
    product: Product, tmp_path: Path
) -> None:
    """Else a repository without encryption could take the place of this one unasked."""
    borg(tmp_path / "old", "init", "-e", "repokey", home=tmp_path)
    body = {
        "name": "old",
        "mode": "import",
        "path": str(tmp_path / "old"),
        "passphrase": "s3cret phrase",
        "accept_unencrypted": True,
        "accept_relocated": True,
    }
    added = product.post("/api/repositories", body).json
    assert product.wait_job(added["job_id"])["status"] == "completed"
    found = product.get(f"/api/repositories/{added['id']}").json
    assert (found["accept_unencrypted"], found["accept_relocated"]) == (False, False)
