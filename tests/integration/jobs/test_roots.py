"""What lies outside of the roots is neither backed up nor written to, whatever the way there."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.product import Product


@pytest.fixture
def home(product: Product, tmp_path: Path) -> Iterator[Path]:
    """A folder of folders; afterwards nothing is narrowed."""
    for name in ("anna", "bob"):
        (tmp_path / "home" / name / "letters").mkdir(parents=True)
        (tmp_path / "home" / name / "letters" / "a.txt").write_text(f"{name}, as it was")
    yield tmp_path / "home"
    narrow(product, source=["/"], restore=["/"])


def narrow(product: Product, **roots: list[Any]) -> None:
    body = {f"{name}_roots": [str(path) for path in paths] for name, paths in roots.items()}
    assert product.request("PUT", "/api/settings", body).status == 200


def stored(path: Path) -> str:
    return str(path).lstrip("/")


def back_up(product: Product, repo_id: int) -> dict[str, Any]:
    return product.wait_job(product.back_up(repo_id))


def archive_of(product: Product, home: Path) -> int:
    repo_id = product.add_repository(home.parent.name, home.parent / "repository", [home])
    assert back_up(product, repo_id)["status"] == "completed"
    return int(product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]["id"])


def restore(product: Product, archive: int, destination: Path | str, **more: Any) -> dict[str, Any]:
    body = {"destination": str(destination), **more}
    answer = product.post(f"/api/archives/{archive}/restore", body)
    assert answer.status == 202, answer.body
    return product.wait_job(answer.json["job_id"])


def refused(job: dict[str, Any], code: str) -> bool:
    assert (job["status"], job["error_code"]) == ("failed", code), job
    return job["process_pid"] is None  # borg never ran


def test_a_source_narrowed_away_since(product: Product, home: Path) -> None:
    repo_id = product.add_repository(home.parent.name, home.parent / "repository", [home / "anna"])
    narrow(product, source=[home / "bob"])
    job = back_up(product, repo_id)
    assert refused(job, "source_outside_roots")
    assert str(home / "anna") in job["error_message"]
    again = product.post(f"/api/jobs/{job['id']}/retry")
    assert refused(product.wait_job(again.json["job_id"]), "source_outside_roots")
    narrow(product, source=[home / "bob", home / "anna"])
    assert back_up(product, repo_id)["status"] == "completed"
    assert product.get(f"/api/repositories/{repo_id}/archives").json["total"] == 1


def test_a_source_that_leads_out_by_a_link(product: Product, home: Path) -> None:
    (home / "anna" / "elsewhere").symlink_to(home / "bob")
    source = home / "anna" / "elsewhere" / "letters"
    narrow(product, source=[home / "anna"])
    repo_id = product.add_repository(home.parent.name, home.parent / "repository", [source])
    job = back_up(product, repo_id)
    assert refused(job, "source_outside_roots")
    assert str(home / "bob" / "letters") in job["error_message"]
    assert product.get(f"/api/repositories/{repo_id}/archives").json["total"] == 0
    # a root may itself be reached by a link
    (home.parent / "people").symlink_to(home)
    narrow(product, source=[home / "anna", home.parent / "people" / "bob"])
    assert back_up(product, repo_id)["status"] == "completed"


@pytest.mark.parametrize("overwrite", [False, True])
def test_to_the_original_place_within_a_root(product: Product, home: Path, overwrite: bool) -> None:
    archive = archive_of(product, home)
    for name in ("anna", "bob"):
        (home / name / "letters" / "a.txt").unlink()
    narrow(product, restore=[home / "anna"])
    wrong = {"destination": "/", "paths": [stored(home / "bob")], "overwrite": overwrite}
    assert product.post(f"/api/archives/{archive}/restore", wrong).status == 422
    job = restore(product, archive, "/", paths=[stored(home / "anna")], overwrite=overwrite)
    assert job["status"] == "completed", job
    assert (home / "anna" / "letters" / "a.txt").read_text() == "anna, as it was"
    assert not (home / "bob" / "letters" / "a.txt").exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_destination_that_leads_out_by_a_link(
    product: Product, home: Path, tmp_path: Path, overwrite: bool, dry_run: bool
) -> None:
    archive = archive_of(product, home)
    open_, closed = tmp_path / "open", tmp_path / "closed"
    open_.mkdir()
    closed.mkdir()
    (open_ / "link").symlink_to(closed)
    narrow(product, restore=[open_])
    more = {"overwrite": overwrite, "dry_run": dry_run}
    for place in (open_ / "link", open_ / "link" / "new", open_ / "link" / "a" / "b"):
        assert refused(restore(product, archive, place, **more), "destination_outside_roots")
    odd = base64.b64encode(os.fsencode(open_) + b"/link/\xff").decode()
    answer = product.post(f"/api/archives/{archive}/restore", {"destination_b64": odd, **more})
    assert refused(product.wait_job(answer.json["job_id"]), "destination_outside_roots")
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_link_where_a_folder_goes(
    product: Product, home: Path, tmp_path: Path, depth: int
) -> None:
    """Borg, overwriting, would follow it where the archive has no entry for that folder."""
    archive = archive_of(product, home)
    narrow(product, restore=[tmp_path / "open"])
    closed = tmp_path / "closed"
    closed.mkdir()
    parts = stored(home).split("/")
    link = tmp_path / "open" / "/".join(parts[:depth])
    link.parent.mkdir(parents=True)
    link.symlink_to(closed)
    for paths in ([], [stored(home / "anna")], [parts[0]]):
        job = restore(product, archive, tmp_path / "open", paths=paths, overwrite=True)
        assert refused(job, "destination_outside_roots")
    assert list(closed.iterdir()) == []
    job = restore(product, archive, tmp_path / "open")
    assert job["status"] == "completed", job
    assert list(closed.iterdir()) == []
    # one that stays within the roots is no harm
    link.unlink()
    (tmp_path / "open" / "beside").mkdir()
    link.symlink_to(tmp_path / "open" / "beside")
    job = restore(product, archive, tmp_path / "open", overwrite=True)
    assert job["status"] == "completed", job
    # unless it leads on
    inner = tmp_path / "open" / "beside" / "further"
    inner.symlink_to(closed)
    job = restore(product, archive, tmp_path / "open", overwrite=True)
    assert refused(job, "destination_outside_roots")


def test_an_old_restore_is_not_started_again_out_of_them(
    product: Product, home: Path, tmp_path: Path
) -> None:
    archive = archive_of(product, home)
    job = restore(product, archive, tmp_path / "out", strip_components=50)
    assert job["status"] == "failed"
    narrow(product, restore=[home])
    again = product.post(f"/api/jobs/{job['id']}/retry")
    assert refused(product.wait_job(again.json["job_id"]), "destination_outside_roots")
