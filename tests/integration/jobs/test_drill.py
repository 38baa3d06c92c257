"""A drill is a proof only where every file came back the same; other ends say what is true."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.jobs import trees
from tests.integration.product import Product


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees.make(tmp_path_factory.mktemp("tree") / "source")


@pytest.fixture(scope="module")
def repository(product: Product, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The repository of ``tree``, with an archive."""
    folder = tmp_path_factory.mktemp("repositories")
    repo_id = product.add_repository("drilled", folder / "repository", [tree])
    return backed_up(product, repo_id)


def backed_up(product: Product, repo_id: int) -> int:
    job = product.wait_job(product.back_up(repo_id))
    assert (job["status"], job["warning_count"]) == ("completed", 0), job
    return repo_id


def new_repository(product: Product, folder: Path, source: Path, **more: Any) -> int:
    repo_id = product.add_repository(folder.name, folder / "repository", [source], **more)
    return backed_up(product, repo_id)


def start(product: Product, repo_id: int, **body: Any) -> int:
    answer = product.post(f"/api/repositories/{repo_id}/drill", body)
    assert answer.status == 202, answer.body
    return int(answer.json["job_id"])


def drill(product: Product, repo_id: int, **body: Any) -> dict[str, Any]:
    job_id = start(product, repo_id, **body)
    product.wait_job(job_id)
    assert scratch(product) == []
    found: dict[str, Any] = product.get(f"/api/repositories/drill-jobs/{job_id}").json
    return found


def scratch(product: Product) -> list[Path]:
    """What drills have left behind."""
    return [*(product.data_dir / "drills").iterdir(), *(product.data_dir / "run").glob("*.restore")]


def regular(tree: Path) -> list[Path]:
    return [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]


def segments(repository: Path) -> list[Path]:
    """Borg's data files, the largest first."""
    found = [path for path in (repository / "data").rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: -path.stat().st_size)


@pytest.mark.parametrize("body", [{}, {"sample": 1000}, {"all": True}])
def test_every_file_is_proved(
    product: Product, repository: int, tree: Path, body: dict[str, Any]
) -> None:
    """Odd names, hard links, a sparse file, empty ones: a sample of more than there are is all."""
    job = drill(product, repository, **body)
    assert (job["status"], job["warning_count"], job["error_code"]) == ("completed", 0, None), job
    count = len(regular(tree))
    assert (job["nfiles"], job["compared_with_source"]) == (count, count)
    assert (job["compared_with_checksums"], job["differing_count"]) == (0, 0)
    assert (job["skipped_count"], job["differing"]) == (0, [])
    assert job["restored_size"] == sum(path.stat().st_size for path in regular(tree))
    assert (job["all"], job["sample"]) == ("all" in body, None if "all" in body else job["sample"])
    newest = product.get(f"/api/repositories/{repository}/archives").json["items"][0]
    assert (job["archive_id"], job["archive"]) == (newest["id"], newest["name"])
    assert (job["kind"], job["repository_id"], job["priority"]) == ("drill", repository, "default")
    assert (job["progress_percent"], job["exit_code"]) == (100, 0)


@pytest.mark.parametrize("body", [{"sample": 1000}, {"all": True}])
def test_without_the_source_borgs_checksums_are_the_measure(
    product: Product, tree: Path, tmp_path: Path, body: dict[str, Any]
) -> None:
    source = tmp_path / "source"
    subprocess.run(["cp", "-a", str(tree), str(source)], check=True)
    repo_id = new_repository(product, tmp_path, source)
    count = len(regular(source))
    shutil.rmtree(source / "plain")
    (source / "other" / os.fsdecode(b"caf\xe9")).write_text("changed since")
    gone = 6
    job = drill(product, repo_id, **body)
    assert (job["status"], job["warning_count"]) == ("completed", 0), job
    assert job["nfiles"] == count
    assert job["compared_with_checksums"] == gone + 1
    assert job["compared_with_source"] == count - gone - 1
    shutil.rmtree(source)
    job = drill(product, repo_id, **body)
    assert (job["status"], job["compared_with_source"]) == ("completed", 0), job
    assert job["compared_with_checksums"] == count


def test_a_sample_is_a_part(product: Product, repository: int) -> None:
    job = drill(product, repository, sample=3)
    assert (job["status"], job["nfiles"], job["sample"]) == ("completed", 3, 3)
