"""What an archive holds below one of its own links is never written through that link."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from borgui.borg.display import printable_path
from tests.integration.jobs import trees
from tests.integration.product import Product

BELOW = "It lies below a link of the same archive and was not restored; select it by itself."


@pytest.fixture
def opened(product: Product, tmp_path: Path) -> Iterator[Path]:
    """The one folder that may be restored to."""
    folder = tmp_path / "open"
    folder.mkdir()
    narrow(product, folder)
    yield folder
    narrow(product, Path("/"))


def narrow(product: Product, folder: Path) -> None:
    answer = product.request("PUT", "/api/settings", {"restore_roots": [str(folder)]})
    assert answer.status == 200, answer.body


def overlapping(
    product: Product, folder: Path, *, name: str = "link", reverse: bool = False
) -> tuple[int, Path, Path]:
    """An archive of a source and of a folder that is reached by a link in it; what the link leads
    to afterwards holds something else."""
    source, outside = folder / "source", folder / "outside"
    (outside / "sub").mkdir(parents=True)
    source.mkdir()
    (source / "a.txt").write_text("a letter")
    link = source / name
    link.symlink_to(outside)
    (outside / "sub" / "precious").write_text("as backed up")
    (outside / "sub" / "other").write_text("another")
    sources = [source, link / "sub"]
    if reverse:
        sources.reverse()
    repo_id = product.shared_repository(sources)
    job = product.wait_job(product.back_up(repo_id))
    assert job["status"] == "completed", job
    (outside / "sub" / "precious").write_text("newer than that")
    archives = product.get(f"/api/repositories/{repo_id}/archives").json["items"]
    return int(archives[0]["id"]), source, outside


def restore(product: Product, archive: int, destination: Path, **more: Any) -> dict[str, Any]:
    body = {"destination": str(destination), **more}
    answer = product.post(f"/api/archives/{archive}/restore", body)
    assert answer.status == 202, answer.body
    product.wait_job(answer.json["job_id"])
    found: dict[str, Any] = product.get(f"/api/restore/jobs/{answer.json['job_id']}").json
    return found


def stored(path: Path) -> str:
    return str(path).lstrip("/")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["link", "+l.nk (1)\n{é}"])
def test_below_a_link(
    product: Product, tmp_path: Path, opened: Path, overwrite: bool, name: str
) -> None:
    archive, source, outside = overlapping(product, tmp_path, name=name)
    job = restore(product, archive, opened, overwrite=overwrite)
    assert (outside / "sub" / "precious").read_text() == "newer than that"
    assert sorted(each.name for each in (outside / "sub").iterdir()) == ["other", "precious"]
    assert (job["status"], job["error_code"]) == ("failed", "not_all_restored"), job
    assert [each["message"] for each in job["warnings"]] == [BELOW] * 3
    there = opened / stored(source)
    assert (there / "a.txt").read_text() == "a letter"
    assert (there / name).readlink() == outside
    assert trees.staged(opened) == []


def test_a_dry_run_says_the_same(product: Product, tmp_path: Path, opened: Path) -> None:
    archive, source, _outside = overlapping(product, tmp_path)
    job = restore(product, archive, opened, dry_run=True)
    assert (job["status"], job["nfiles"]) == ("completed", 1), job
    assert [each["message"] for each in job["warnings"]] == [BELOW] * 3
    paths = [stored(source / "link"), stored(source / "link" / "sub" / "other")]
    job = restore(product, archive, opened, dry_run=True, paths=paths)
    assert [each["message"] for each in job["warnings"]] == [BELOW] * 3  # it is in the archive


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_other_order(product: Product, tmp_path: Path, opened: Path, overwrite: bool) -> None:
    archive, source, outside = overlapping(product, tmp_path, reverse=True)
    job = restore(product, archive, opened, overwrite=overwrite)
    assert (outside / "sub" / "precious").read_text() == "newer than that"
    assert (job["status"], job["error_code"]) == ("failed", "not_all_restored"), job
    assert (opened / stored(source) / "link").readlink() == outside


@pytest.mark.parametrize("overwrite", [False, True])
def test_by_itself_it_is_restored(
    product: Product, tmp_path: Path, opened: Path, overwrite: bool
) -> None:
    archive, source, outside = overlapping(product, tmp_path)
    below = source / "link" / "sub"
    job = restore(product, archive, opened, overwrite=overwrite, paths=[stored(below)])
    assert (job["status"], job["nfiles"], job["warning_count"]) == ("completed", 2, 0), job
    there = opened / stored(source / "link")
    assert there.is_dir()
    assert not there.is_symlink()
    assert (there / "sub" / "precious").read_text() == "as backed up"
    assert (outside / "sub" / "precious").read_text() == "newer than that"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("x", [b"x", b"(\xff x\\\n"])
def test_where_paths_meet_that_are_shortened(
    product: Product, tmp_path: Path, opened: Path, overwrite: bool, x: bytes
) -> None:
    """``one/x`` is a link and ``two/x`` a folder."""
    name = os.fsdecode(x)
    source, outside = tmp_path / "source", tmp_path / "outside"
    outside.mkdir()
    (outside / "y").write_text("precious")
    (source / "one").mkdir(parents=True)
    (source / "one" / name).symlink_to(outside)
    (source / "two" / name).mkdir(parents=True)
    (source / "two" / name / "y").write_text("backed up")
    (source / "two" / "z").write_text("z")
    repo_id = product.shared_repository([source])
    assert product.wait_job(product.back_up(repo_id))["status"] == "completed"
    archive = int(product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]["id"])
    strip = len(stored(source).split("/")) + 1
    job = restore(product, archive, opened, overwrite=overwrite, strip_components=strip)
    assert (outside / "y").read_text() == "precious"
    assert (job["status"], job["error_code"]) == ("failed", "not_all_restored"), job
    below = stored(source / "two" / name)
    assert [each["path"] for each in job["warnings"]] == [
        printable_path(below),
        printable_path(f"{below}/y"),
    ]
    assert (opened / name).readlink() == outside
    assert (opened / "z").read_text() == "z"
    # with one part less they do not meet
    there = opened / "whole"
    job = restore(product, archive, there, overwrite=overwrite, strip_components=strip - 1)
    assert (job["status"], job["warning_count"]) == ("completed", 0), job
    assert (there / "two" / name / "y").read_text() == "backed up"


def drill(product: Product, archive: int, **body: Any) -> dict[str, Any]:
    repositories = product.get("/api/repositories").json["items"]
    repo_id = max(each["id"] for each in repositories)
    answer = product.post(f"/api/repositories/{repo_id}/drill", {"archive_id": archive, **body})
    assert answer.status == 202, answer.body
    product.wait_job(answer.json["job_id"])
    found: dict[str, Any] = product.get(
        f"/api/repositories/drill-jobs/{answer.json['job_id']}"
    ).json
    return found


@pytest.mark.parametrize("is_there", [True, False])
def test_a_drill_of_all(product: Product, tmp_path: Path, is_there: bool) -> None:
    """What lies below a link is neither written over nor held to be the same as itself."""
    archive, source, outside = overlapping(product, tmp_path)
    if not is_there:
        shutil.rmtree(source)
    job = drill(product, archive, all=True)
    assert (outside / "sub" / "precious").read_text() == "newer than that"
    assert (job["status"], job["nfiles"], job["skipped_count"]) == ("completed", 1, 2), job
    assert [each["message"] for each in job["warnings"]] == [
        "2 files below links of the same archive were left out: they are not proved."
    ]


def test_a_drill_of_a_sample(product: Product, tmp_path: Path) -> None:
    """The link is not restored with them: they are proved."""
    archive, source, outside = overlapping(product, tmp_path)
    shutil.rmtree(source)
    job = drill(product, archive, sample=1000)
    assert (outside / "sub" / "precious").read_text() == "newer than that"
    assert (job["status"], job["nfiles"], job["skipped_count"]) == ("completed", 3, 0), job
    assert job["warning_count"] == 0
