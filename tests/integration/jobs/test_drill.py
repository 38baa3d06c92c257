"""A drill is a proof only where every file came back the same; other ends say what is true."""

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.jobs import trees
from tests.integration.product import Product, borg, running, wait_for


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


def test_what_a_failed_backup_left_is_not_drilled(
    product: Product, tree: Path, tmp_path: Path
) -> None:
    """Borg makes an archive also where it could read nothing: that would prove nothing."""
    source = tmp_path / "source"
    shutil.copytree(tree / "plain", source)
    repo_id = new_repository(product, tmp_path, source)
    (good,) = product.get(f"/api/repositories/{repo_id}/archives").json["items"]
    source.rename(tmp_path / "away")
    assert product.wait_job(product.back_up(repo_id))["error_code"] == "nothing_readable"
    assert product.get(f"/api/repositories/{repo_id}/archives").json["total"] == 2
    job = drill(product, repo_id)
    assert (job["status"], job["archive_id"]) == ("completed", good["id"]), job
    assert job["nfiles"] > 0


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


def test_one_name_of_a_hard_link(product: Product, tmp_path: Path) -> None:
    """Nine in ten times the first name is not in the sample, whose bytes borg cannot show."""
    source = tmp_path / "source"
    source.mkdir()
    first = source / os.fsdecode(b"a\xff first")
    first.write_bytes(os.urandom(200_000))
    for number in range(9):
        (source / f"link-{number}").hardlink_to(first)
    repo_id = new_repository(product, tmp_path, source)
    assert drill(product, repo_id, sample=1)["compared_with_source"] == 1
    shutil.rmtree(source)
    for _ in range(3):
        job = drill(product, repo_id, sample=1)
        assert (job["status"], job["nfiles"], job["restored_size"]) == ("completed", 1, 200_000)
        assert job["compared_with_checksums"] == 1


def test_sources_that_overlap(product: Product, tmp_path: Path) -> None:
    """Borg stores what lies in two of them twice."""
    source = tmp_path / "source"
    (source / "within").mkdir(parents=True)
    (source / "within" / "a").write_text("a")
    (source / "b").write_text("b")
    repo_id = product.add_repository(
        tmp_path.name, tmp_path / "repository", [source, source / "within"]
    )
    backed_up(product, repo_id)
    shutil.rmtree(source)
    for body in ({}, {"all": True}):
        job = drill(product, repo_id, **body)
        assert (job["status"], job["differing_count"]) == ("completed", 0), job
        assert job["compared_with_checksums"] == job["nfiles"] >= 2


def test_more_files_and_longer_paths_than_a_command_line_takes(
    product: Product, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    deep = source.joinpath(*["x" * 240] * 8)
    deep.mkdir(parents=True)
    for number in range(300):
        (deep / str(number)).write_text(str(number))
    for number in range(900):
        (source / str(number)).write_text(str(number))
    repo_id = new_repository(product, tmp_path, source)
    job = drill(product, repo_id, sample=1000)
    assert (job["status"], job["nfiles"], job["compared_with_source"]) == ("completed", 1000, 1000)
    shutil.rmtree(source)
    for body, count in (({"sample": 1000}, 1000), ({"all": True}, 1200)):
        job = drill(product, repo_id, **body)
        assert (job["status"], job["nfiles"]) == ("completed", count), job
        assert job["compared_with_checksums"] == count


def test_a_source_changed_without_a_new_time(product: Product, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("kept", "changed", os.fsdecode(b"od\xe9d")):
        (source / name).write_text(f"the content of {name!a}")
    repo_id = new_repository(product, tmp_path, source)
    for name in ("changed", os.fsdecode(b"od\xe9d")):
        before = (source / name).stat()
        (source / name).write_bytes(b"#" * before.st_size)
        os.utime(source / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    for body in ({}, {"all": True}):
        job = drill(product, repo_id, **body)
        assert (job["status"], job["warning_count"], job["differing_count"]) == ("completed", 2, 0)
        assert (job["compared_with_source"], job["compared_with_checksums"]) == (1, 2)
        paths = {each["path"] for each in job["warnings"]}
        assert paths == {f"{source}/changed"[1:], f"{source}/od\\xe9d"[1:]}
        assert all("without a new time" in each["message"] for each in job["warnings"])


def test_an_archive_without_files_proves_nothing(product: Product, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "link").symlink_to("folder")
    os.mkfifo(source / "fifo")
    repo_id = new_repository(product, tmp_path, source)
    for body in ({}, {"all": True}):
        job = drill(product, repo_id, **body)
        assert (job["status"], job["error_code"]) == ("failed", "nothing_to_drill"), job
        assert job["error_message"].endswith("Nothing was proved.")
        assert job["nfiles"] == 0


# -- what a drill is for ---------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"all": True}])
def test_a_damaged_repository_is_found(
    product: Product, tmp_path: Path, body: dict[str, Any]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(os.urandom(300_000))
    (source / "b").write_bytes(os.urandom(300_000))
    repo_id = new_repository(product, tmp_path, source)
    largest = segments(tmp_path / "repository")[0]
    content = bytearray(largest.read_bytes())
    content[len(content) // 3] ^= 0xFF
    largest.write_bytes(content)
    job = drill(product, repo_id, **body)
    assert job["status"] == "failed", job
    assert job["exit_code"] in {2, 90}, job  # borg 1.4 says which error it was
    assert job["error_code"] == "integrity_error", job
    assert "Nothing was proved." in job["error_message"]
    assert "borg says:" in job["error_message"]
    borg(
        tmp_path / "repository",
        *("check", "--repair"),
        home=tmp_path,
        BORG_CHECK_I_KNOW_WHAT_I_AM_DOING="YES",
    )
    job = drill(product, repo_id, **body)  # what borg has repaired has another id
    assert (job["status"], job["error_code"]) == ("failed", "archive_changed"), job
    listing = product.post(f"/api/repositories/{repo_id}/refresh", {}).json["job_id"]
    assert product.wait_job(listing)["status"] == "completed"
    job = drill(product, repo_id, **body)
    assert (job["status"], job["error_code"]) == ("failed", "restore_differs"), job
    assert (job["nfiles"], job["differing_count"]) == (2, 1)
    assert job["error_message"].startswith("1 of 2 restored files is not what was backed up")
    (path,) = job["differing"]
    assert path in {f"{source}/a"[1:], f"{source}/b"[1:]}
    assert base64.b64decode(job["differing_b64"][0]).decode() == path
    assert path in [each["path"] for each in job["warnings"]]
    shutil.rmtree(source)
    job = drill(product, repo_id, **body)
    assert (job["error_code"], job["differing_count"]) == ("restore_differs", 1), job


def test_an_archive_that_is_gone(product: Product, source: Path, tmp_path: Path) -> None:
    repo_id = new_repository(product, tmp_path, source)
    archive = product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]
    borg(tmp_path / "repository", "delete", f"::{archive['name']}", home=tmp_path)
    job = drill(product, repo_id)
    assert (job["status"], job["error_code"]) == ("failed", "archive_missing"), job
    product.wait_job(product.post(f"/api/repositories/{repo_id}/refresh").json["job_id"])
    retried = product.post(f"/api/jobs/{job['id']}/retry").json["job_id"]
    ended = product.wait_job(retried)
    assert (ended["status"], ended["error_code"]) == ("failed", "no_archive")
    assert product.post(f"/api/repositories/{repo_id}/drill", {}).status == 409


# -- the scratch folder ----------------------------------------------------------------------------


@pytest.fixture
def small(product: Product) -> Iterator[Any]:
    """Puts a small file system in the place of the scratch folder."""
    folder = product.data_dir / "drills"
    mounted = []

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
        mounted.append(folder)

    yield mount
    for each in mounted:
        subprocess.run(["umount", str(each)], check=True)


def test_too_little_space(product: Product, source: Path, tmp_path: Path, small: Any) -> None:
    (source / "large.bin").write_bytes(os.urandom(3_000_000))
    repo_id = new_repository(product, tmp_path, source)
    small("size=2m")
    job = drill(product, repo_id, all=True)
    assert (job["status"], job["error_code"]) == ("failed", "no_space"), job
    assert "It needs 3.26 MB and 1.99 MB can be used" in job["error_message"]
    job = drill(product, repo_id)
    assert (job["status"], job["nfiles"], job["skipped_count"]) == ("completed", 2, 1), job
    log = product.get(f"/api/jobs/{job['id']}/log").body.decode()
    assert "Left out: 1 of 3 chosen files" in log


def test_a_disk_that_fills_up(product: Product, tmp_path: Path, small: Any) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(50):
        (source / str(number)).write_text("x")
    repo_id = new_repository(product, tmp_path, source)
    small("size=50m,nr_inodes=20")
    for body in ({}, {"all": True}):
        job = drill(product, repo_id, **body)
        assert (job["status"], job["error_code"]) == ("failed", "disk_full"), job
        assert job["error_message"] == "The disk is full. Nothing was proved."
        assert job["nfiles"] == 0


def test_nothing_fits(product: Product, tmp_path: Path, small: Any) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "large.bin").write_bytes(os.urandom(3_000_000))
    repo_id = new_repository(product, tmp_path, source)
    small("size=2m")
    job = drill(product, repo_id)
    assert (job["status"], job["error_code"], job["skipped_count"]) == ("failed", "no_space", 1)
    assert "None of the chosen files (1) fits" in job["error_message"]


def test_no_backup_takes_what_a_drill_has_restored(product: Product, tmp_path: Path) -> None:
    folder = product.data_dir / "drills"
    (folder / "x").write_text("restored just now")
    try:
        path = tmp_path / "repository"
        job = product.back_up(product.add_repository("own folder", path, [folder.parent]))
        # with warnings or without: its files come and go while borg reads them
        assert product.wait_job(job)["status"] == "completed"
    finally:
        (folder / "x").unlink()
    stored = borg(tmp_path / "repository", "list", "--last=1", "--short", home=tmp_path).strip()
    inside = borg(tmp_path / "repository", "list", "--short", f"::{stored}", home=tmp_path)
    assert f"{folder.parent}/logs"[1:] in inside.splitlines()
    assert not any(line.startswith(f"{folder}"[1:]) for line in inside.splitlines())


# -- stopped ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big(product: Product, big_source: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Its source has other times since, so that borg's checksums are the measure."""
    repo_id = new_repository(product, tmp_path_factory.mktemp("big-repository"), big_source)
    for path in big_source.iterdir():
        path.touch()
    return repo_id


def under_way(product: Product, job_id: int, words: str) -> dict[str, Any]:
    """Wait until it is in that phase."""
    while True:
        job = product.job(job_id)
        assert job["status"] in {"pending", "running"}, job
        if words in (job["progress_message"] or ""):
            return job


@pytest.mark.parametrize("phase", ["Restoring to a scratch folder", "with borg's checksums"])
def test_cancel(product: Product, big: int, phase: str) -> None:
    job_id = start(product, big, all=True)
    job = under_way(product, job_id, phase)
    assert job["current_file"] is None
    assert (job["progress_percent"] or 0) < 50, job
    product.post(f"/api/jobs/{job_id}/cancel")
    job = product.wait_job(job_id)
    assert (job["status"], job["error_code"]) == ("cancelled", None)
    assert job["error_message"] == "It was cancelled. Nothing was proved."
    assert (job["differing_count"], scratch(product)) == (None, [])
    assert drill(product, big, sample=2)["status"] == "completed"


def test_a_killed_horse_leaves_nothing_behind(product: Product, big: int) -> None:
    job_id = start(product, big, all=True)
    under_way(product, job_id, "Restoring")
    assert scratch(product) != []
    facts = json.loads((product.data_dir / "run" / f"{job_id}.json").read_text())
    os.kill(facts["horse_pid"], signal.SIGKILL)
    job = product.wait_job(job_id)
    assert (job["status"], job["error_code"]) == ("failed", "worker_killed")
    assert (job["nfiles"], job["differing_count"]) == (None, None)
    wait_for(lambda: scratch(product) == [], 30, "the scratch folder stays")
    assert drill(product, big, sample=2)["status"] == "completed"


def test_a_power_cut_leaves_nothing_behind(big_source: Path, tmp_path: Path) -> None:
    with running(tmp_path / "data") as product:
        (tmp_path / "killed").mkdir()
        repo_id = new_repository(product, tmp_path / "killed", big_source)
        job_id = start(product, repo_id, all=True)
        under_way(product, job_id, "Restoring")
        product.kill_all()
        assert scratch(product) != []
        again = Product(product.data_dir, port=product.port).start().sign_in()
        try:
            job = again.wait_job(job_id)
            assert (job["status"], job["error_code"]) == ("failed", "restarted")
            wait_for(lambda: scratch(again) == [], 30, "the scratch folder stays")
        finally:
            again.stop()
