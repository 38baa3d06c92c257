"""Files come back as they were, nothing that is there is lost, and every end says what is true."""

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.jobs import trees
from tests.integration.product import Product, running


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees.make(tmp_path_factory.mktemp("tree") / "source")


@pytest.fixture(scope="module")
def archive(product: Product, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The archive of ``tree``, made once."""
    folder = tmp_path_factory.mktemp("repositories")
    repo_id = product.add_repository("tree", folder / "repository", [tree])
    return backed_up(product, repo_id)


def backed_up(product: Product, repo_id: int) -> int:
    job = product.wait_job(product.back_up(repo_id))
    assert (job["status"], job["warning_count"]) == ("completed", 0), job
    return newest(product, repo_id)


def newest(product: Product, repo_id: int) -> int:
    return int(product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]["id"])


def start(product: Product, archive: int, destination: Path, **more: Any) -> int:
    body = {"destination": str(destination), **more}
    answer = product.post(f"/api/archives/{archive}/restore", body)
    assert answer.status == 202, answer.body
    return int(answer.json["job_id"])


def restore(product: Product, archive: int, destination: Path, **more: Any) -> dict[str, Any]:
    job_id = start(product, archive, destination, **more)
    product.wait_job(job_id)
    found: dict[str, Any] = product.get(f"/api/restore/jobs/{job_id}").json
    return found


def inside(tree: Path, destination: Path) -> Path:
    return destination / str(tree).lstrip("/")


def stored(path: Path) -> str:
    """As borg stores it."""
    return str(path).lstrip("/")


def b64(path: Path | bytes) -> str:
    return base64.b64encode(os.fsencode(path)).decode()


@pytest.mark.parametrize("overwrite", [False, True])
def test_all_comes_back_as_it_was(
    product: Product, archive: int, tree: Path, tmp_path: Path, overwrite: bool
) -> None:
    out = tmp_path / "out"
    job = restore(product, archive, out, overwrite=overwrite)
    assert (job["status"], job["warning_count"], job["error_code"]) == ("completed", 0, None)
    assert trees.described(inside(tree, out)) == trees.described(tree)
    assert trees.taken(inside(tree, out) / "holes.img") < 20_000_000
    regular = {
        (path.lstat().st_dev, path.lstat().st_ino)
        for path in tree.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    assert job["nfiles"] == len(regular)
    assert job["restored_size"] >= 63_000_000
    assert job["progress_percent"] == 100
    assert job["priority"] == "high"
    assert trees.staged(out) == []
    assert list((product.data_dir / "run").glob("*.restore")) == []
