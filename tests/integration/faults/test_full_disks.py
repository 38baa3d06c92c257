"""No space left: where the repository lies, and where the product keeps its own things."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.faults.havoc import Place, at_work, frozen, settled
from tests.integration.product import Product, running, wait_for


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own at ``path``."""
    path.mkdir()
    options = f"size={megabytes}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(folder: Path) -> Path:
    """Take all the space that is left; returns the file that takes it."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1_000_000, 4096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    assert os.statvfs(folder).f_bavail == 0
    return path


def test_the_repositorys_disk_is_full(
    product: Product, sources: dict[str, Path], tmp_path: Path
) -> None:
    """The backup fails with the reason; with more space the next one completes."""
    with small_disk(tmp_path / "disk", 4) as disk:
        path = disk / "repository"
        source = sources["small"]
        repo_id = product.add_repository("full", path, [source], compression="none")
        place = Place(product, repo_id, path)
        filler = fill(disk)
        filler.write_bytes(b"\0" * 2_000_000)
        failed = settled(product, place.back_up(), 60)
        assert (failed["status"], failed["error_code"]) == ("failed", "disk_full")
        assert failed["error_message"].startswith("The disk is full")
        assert place.known() == 0
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        place.works()
        assert len(place.archives()) == place.known() == 1


def test_the_data_folder_is_full(tmp_path: Path, sources: dict[str, Path]) -> None:
    """Neither the product nor the job dies of it: with space again all is settled and goes on."""
    with small_disk(tmp_path / "disk", 48) as disk, running(disk / "data") as product:
        path = tmp_path / "repository"
        source = sources["small"]
        repo_id = product.add_repository("mine", path, [source], compression="lzma,9")
        place = Place(product, repo_id, path)
        everybody = {each.pid for each in product.tree()[:1]}
        job = place.back_up()
        borg = at_work(place, job)
        with frozen(borg):
            filler = fill(disk)
        wait_for(lambda: not borg.is_running(), 60, "borg does not end")
        assert product.get("/api/jobs").status == 200
        refused = product.post("/api/backup/run", {"repository_id": repo_id})
        assert refused.status in {202, 503}
        assert product.job(job)["status"] in {"running", "completed", "failed"}
        filler.unlink()
        ended = settled(product, job)
        assert ended["status"] in {"completed", "failed"}, ended
        if ended["status"] == "failed":
            log = product.get(f"/api/jobs/{job}/log?follow=false").body.decode()
            assert ended["error_code"] == "disk_full", log
        if refused.status == 202:
            settled(product, refused.json["job_id"], 60)
        product.wait_healthy(30)
        place.works()
        assert len(place.archives()) == place.known()
        assert everybody == {each.pid for each in product.tree()[:1]}
