"""Files come back as they were, nothing that is there is lost, and every end says what is true."""

import base64
import json
import os
import shutil
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


def test_what_is_there_is_left_alone(
    product: Product, archive: int, tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    there = inside(tree, out)
    (there / "plain").mkdir(parents=True)
    (there / "plain").chmod(0o711)
    (there / "plain" / "a.txt").write_text("newer than the backup")
    (there / "link").mkdir()
    (there / "other").write_text("a file where a folder would go")
    (there / "closed").symlink_to(tmp_path)
    job = restore(product, archive, out)
    assert (job["status"], job["warning_count"]) == ("completed", 0)
    assert (there / "plain" / "a.txt").read_text() == "newer than the backup"
    assert oct((there / "plain").stat().st_mode) == oct(0o40711)
    assert (there / "other").read_text() == "a file where a folder would go"
    assert (there / "link").is_dir()
    assert list((there / "link").iterdir()) == []
    assert not (tmp_path / "within").exists()
    assert (there / "plain" / "random.bin").read_bytes() == (
        tree / "plain" / "random.bin"
    ).read_bytes()
    left = [base64.b64decode(name) for name in job["left_alone_b64"]]
    in_other = [name for name in trees.names(tree / "other") if name != b"deep"]
    assert sorted(left) == sorted(
        [
            os.fsencode(there / "plain" / "a.txt"),
            os.fsencode(there / "link"),
            os.fsencode(there / "closed" / "within"),
            *(os.fsencode(there / "other") + b"/" + name for name in in_other),
        ]
    )
    assert job["left_alone_count"] == len(left)
    expected = trees.described(tree)[b"plain/secret"]
    assert trees.described(there)[b"plain/secret"] == expected


def test_a_second_restore_changes_nothing(
    product: Product, archive: int, tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = restore(product, archive, out)
    before = trees.described(out)
    again = restore(product, archive, out)
    assert (again["status"], again["nfiles"], again["restored_size"]) == ("completed", 0, 0)
    assert again["left_alone_count"] >= first["nfiles"]
    assert trees.described(out) == before


def test_overwriting_brings_back_what_was(
    product: Product, archive: int, tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    there = inside(tree, out)
    (there / "plain").mkdir(parents=True)
    (there / "plain").chmod(0o711)
    (there / "plain" / "a.txt").write_text("newer")
    (there / "plain" / "mine.txt").write_text("not in the archive")
    job = restore(product, archive, out, overwrite=True)
    assert job["status"] == "completed", job
    (there / "plain" / "mine.txt").unlink()
    found, expected = trees.described(there), trees.described(tree)
    del found[b"plain"]["mtime"], expected[b"plain"]["mtime"]  # by our own unlink
    assert found == expected
    assert job["left_alone_count"] == 0


def test_a_selection_is_taken_literally(product: Product, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    plain = [b"*", b"[x]", b" lead", b"re:.*", b"new\nline", b"{now}"]
    names = [b"a?b", b"aXb", b"a\xffb", b"x", *plain]
    for name in names:
        with open(os.fsencode(source) + b"/" + name, "wb") as file:  # noqa: PTH123
            file.write(name)
    repo_id = product.shared_repository([source])
    archive = backed_up(product, repo_id)
    # Each of the first would bring others with it, were it taken as a pattern.
    patterns, others = [*plain[:3], b"a?b"], [b"aXb", b"a\xffb", b"x", *plain[3:]]
    paths = {name: b64(os.fsencode(stored(source)) + b"/" + name) for name in names}
    for number, wanted in enumerate((patterns, others, [b"a\xffb"])):
        out = tmp_path / f"exact-{number}"
        job = restore(product, archive, out, paths_b64=[paths[name] for name in wanted])
        assert job["status"] == "completed", (wanted, job)
        assert trees.names(inside(source, out)) == sorted(wanted)
        assert job["nfiles"] == len(wanted)
    for number, wanted in enumerate((plain[:3], plain[3:])):
        out = tmp_path / f"text-{number}"
        texts = [f"{stored(source)}/{name.decode()}" for name in wanted]
        restore(product, archive, out, paths=texts)
        assert trees.names(inside(source, out)) == sorted(wanted)
    out = tmp_path / "shown"
    shown = [f"{stored(source)}/a?b"]
    job = restore(product, archive, out, paths=shown)
    assert trees.names(inside(source, out)) == [b"a?b", b"a\xffb"]
    matched = [base64.b64decode(each).rpartition(b"/")[2] for each in job["matched_b64"]]
    assert sorted(matched) == [b"a?b", b"a\xffb"]
    assert any(each.endswith("a\\xffb") for each in job["matched"])
    over = restore(product, archive, tmp_path / "over", paths=shown, overwrite=True)
    assert len(over["matched"]) == 2
    assert over["nfiles"] == 2


def test_leading_parts_are_taken_off(
    product: Product, archive: int, tree: Path, tmp_path: Path
) -> None:
    depth = len(stored(tree).split("/"))
    job = restore(
        product, archive, tmp_path / "out", paths=[f"{stored(tree)}/plain"], strip_components=depth
    )
    assert job["status"] == "completed"
    found = trees.described(tmp_path / "out")
    assert sorted(name for name in found if b"/" not in name) == [b"plain"]
    assert found[b"plain/secret"] == trees.described(tree)[b"plain/secret"]
    assert job["paths"] == [f"{stored(tree)}/plain"]


@pytest.mark.parametrize("more", [{}, {"overwrite": True}, {"dry_run": True}])
def test_too_many_parts_taken_off(
    product: Product, archive: int, tmp_path: Path, more: dict[str, Any]
) -> None:
    job = restore(product, archive, tmp_path / "out", strip_components=50, **more)
    assert (job["status"], job["error_code"]) == ("failed", "strip_too_many")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [{}, {"overwrite": True}, {"dry_run": True}])
def test_what_is_not_in_the_archive(
    product: Product, archive: int, tree: Path, tmp_path: Path, more: dict[str, Any]
) -> None:
    gone = f"{stored(tree)}/no such file"
    job = restore(product, archive, tmp_path / "out", paths=[gone], **more)
    assert (job["status"], job["error_code"]) == ("failed", "nothing_matched")
    assert not (tmp_path / "out").exists()
    found = [f"{stored(tree)}/plain", f"{stored(tree)}/plain/a.txt"]
    job = restore(product, archive, tmp_path / "out", paths=[gone, *found], **more)
    assert (job["status"], job["warning_count"]) == ("completed", 1)
    assert job["unmatched"] == [gone]
    assert job["warnings"][0]["path"] == gone


def test_a_dry_run_says_what_would_happen(
    product: Product, archive: int, tree: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    told = restore(product, archive, out, dry_run=True)
    assert (told["status"], told["left_alone_count"]) == ("completed", 0)
    assert not out.exists()
    there = inside(tree, out)
    (there / "plain").mkdir(parents=True)
    (there / "plain" / "a.txt").write_text("newer")
    with open(os.fsencode(there / "other"), "wb") as file:  # noqa: PTH123
        file.write(b"in the way")
    before = trees.described(out)
    foretold = restore(product, archive, out, dry_run=True)
    assert trees.described(out) == before
    done = restore(product, archive, out)
    for name in ("nfiles", "restored_size"):
        assert told[name] - foretold[name] == told[name] - done[name] > 0
    assert foretold["left_alone_count"] > 1
    assert foretold["left_alone_count"] == done["left_alone_count"]
    # of a file that is not there, a listing knows no byte that borg cannot show
    assert {each for each in foretold["left_alone"] if "?" not in each} < set(done["left_alone"])
    assert str(there / "plain" / "a.txt") in foretold["left_alone"]


def test_to_the_original_place(product: Product, tmp_path: Path) -> None:
    source = tmp_path / "home"
    (source / "letters").mkdir(parents=True)
    (source / "letters" / "a.txt").write_text("deleted three weeks ago")
    (source / "letters" / "b.txt").write_text("as it was")
    repo_id = product.add_repository("home", tmp_path / "repository", [source])
    archive = backed_up(product, repo_id)
    (source / "letters" / "a.txt").unlink()
    (source / "letters" / "b.txt").write_text("changed since")
    job = restore(product, archive, Path("/"), paths=[f"{stored(source)}/letters"])
    assert job["status"] == "completed", job
    assert (source / "letters" / "a.txt").read_text() == "deleted three weeks ago"
    assert (source / "letters" / "b.txt").read_text() == "changed since"
    assert job["left_alone"] == [str(source / "letters" / "b.txt")]
    job = restore(product, archive, Path("/"), paths=[f"{stored(source)}/letters"], overwrite=True)
    assert (source / "letters" / "b.txt").read_text() == "as it was"


def test_borguis_own_data_is_never_written(product: Product, tmp_path: Path) -> None:
    own = product.data_dir / "machine" / "host-id"
    repo_id = product.add_repository("own", tmp_path / "repository", [own.parent])
    archive = backed_up(product, repo_id)
    before = own.stat()
    for more in ({}, {"overwrite": True}, {"dry_run": True}, {"paths": [stored(own)]}):
        job = restore(product, archive, Path("/"), **more)
        assert (job["status"], job["error_code"]) == ("failed", "nothing_to_restore"), job
        assert job["warning_count"] == 1
        assert job["warnings"][0]["path"] == str(product.data_dir)
    assert (own.stat().st_ino, own.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)
    way = tmp_path / "way"
    way.symlink_to(product.data_dir)
    for destination in (way / "machine", way / "new"):
        job = restore(product, archive, destination, overwrite=True)
        assert (job["status"], job["error_code"]) == ("failed", "destination_refused")
    answer = product.post(
        f"/api/archives/{archive}/restore", {"destination": f"{product.data_dir}/x"}
    )
    assert (answer.status, list(answer.json["error"]["fields"])) == (422, ["destination"])
    answer = product.post(
        f"/api/archives/{archive}/restore", {"destination": f"{tmp_path}/repository/data"}
    )
    assert answer.status == 422


def test_the_rest_of_what_holds_borguis_data_comes_back(
    product: Product, source: Path, tmp_path: Path
) -> None:
    own = product.data_dir / "machine" / "host-id"
    repo_id = product.add_repository("both", tmp_path / "repository", [own.parent, source])
    archive = backed_up(product, repo_id)
    (source / "photo.bin").unlink()
    for more in ({"dry_run": True}, {}, {"paths": [stored(own), stored(source)]}):
        job = restore(product, archive, Path("/"), **more)
        assert (job["status"], job["warning_count"], job["unmatched"]) == ("completed", 1, []), job
        assert "left out" in job["warnings"][0]["message"]
    assert (source / "photo.bin").exists()


def test_an_immutable_file_comes_back(product: Product, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "file").write_text("fixed")
    (source / "folder" / "file").write_text("fixed")
    held = [source / "file", source / "folder" / "file", source / "folder"]
    out = tmp_path / "out"
    made = [inside(source, out) / path.relative_to(source) for path in held]
    _flag("+i", *held)
    try:
        repo_id = product.add_repository("flags", tmp_path / "repository", [source])
        archive = backed_up(product, repo_id)
        (inside(source, out)).mkdir(parents=True)
        job = restore(product, archive, out)
        assert job["status"] == "completed", job
        assert all("i" in _flags(path) for path in made)
        again = restore(product, archive, out)  # what is left alone must be removable, too
        assert (again["status"], again["left_alone_count"]) == ("completed", 2), again
        assert trees.staged(out) == []
    finally:
        _flag("-i", *(path for path in [*held, *made] if path.exists()))


def _flag(change: str, *paths: Path) -> None:
    subprocess.run(["chattr", change, *map(str, paths)], check=True)


def _flags(path: Path) -> str:
    line = subprocess.run(["lsattr", "-d", str(path)], check=True, capture_output=True, text=True)
    return line.stdout.split()[0]


# -- full, read-only and other file systems --------------------------------------------------------


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Any]:
    """Mounts a small file system at a folder; all are gone afterwards."""
    done: list[Path] = []

    def mount(folder: Path, options: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
        done.append(folder)
        return folder

    yield mount
    for folder in reversed(done):
        subprocess.run(["umount", str(folder)], check=True)


def test_a_mount_below_the_destination(
    product: Product, archive: int, tree: Path, tmp_path: Path, mounted: Any
) -> None:
    out = tmp_path / "out"
    there = inside(tree, out)
    for name in ("other", "closed"):
        mounted(there / name, "size=50m,mode=755")
    job = restore(product, archive, out)
    assert (job["status"], job["warning_count"]) == ("completed", 0), job
    found, expected = trees.described(there), trees.described(tree)
    across = expected[b"other/third"]
    links = {b"plain/random.bin", b"plain/twin", b"other/third"}
    for name in (b"other", b"closed"):  # these were there already
        del found[name], expected[name]
    for name in links:  # no link reaches another file system
        found[name].pop("links", None)
        expected[name].pop("links", None)
    assert found == expected
    assert across["content"] == found[b"other/third"]["content"]
    assert trees.staged(out) == []


def test_the_original_place_is_a_file_system_of_its_own(
    product: Product, source: Path, tmp_path: Path, mounted: Any
) -> None:
    """All of an archive goes back by way of a folder there; the space there is what counts."""
    disk = mounted(tmp_path / "disk", "size=90m,mode=755")
    (disk / "deep").mkdir()
    (disk / "deep" / "big.bin").write_bytes(os.urandom(40_000_000))
    (disk / "kept").write_text("as it is")
    archive = backed_up(product, product.shared_repository([disk, source]))
    content = (disk / "deep" / "big.bin").read_bytes()
    for name in (disk / "deep" / "big.bin", source / "photo.bin"):
        name.unlink()
    job_id = start(product, archive, Path("/"))
    seen = set()
    while product.job(job_id)["status"] in {"pending", "running"}:
        seen |= {path for path in disk.iterdir() if path.name.startswith(".borgui-restore-")}
    job = product.wait_job(job_id)
    assert (job["status"], job["warning_count"]) == ("completed", 0), job
    assert len(seen) == 1
    assert (disk / "deep" / "big.bin").read_bytes() == content
    assert (source / "photo.bin").exists()
    assert (job["nfiles"], job["left_alone_count"]) == (2, 2), job
    assert trees.staged(tmp_path) == []

    (source / "photo.bin").unlink()
    (disk / "deep" / "big.bin").unlink()
    (disk / "filler").write_bytes(bytes(60_000_000))
    for more in ({}, {"paths": [stored(disk)]}, {"overwrite": True}):
        job = restore(product, archive, Path("/"), **more)
        assert (job["status"], job["error_code"]) == ("failed", "no_space"), job
    assert not (source / "photo.bin").exists()
    assert sorted(path.name for path in disk.iterdir()) == ["deep", "filler", "kept"]


def test_too_little_space_is_told_before_anything_is_written(
    product: Product, archive: int, tree: Path, tmp_path: Path, mounted: Any
) -> None:
    small = mounted(tmp_path / "small", "size=1m")
    job = restore(product, archive, small)
    assert (job["status"], job["error_code"]) == ("failed", "no_space")
    assert "1.0" in job["error_message"]
    assert job["process_pid"] is None
    one = f"{stored(tree)}/plain/random.bin"
    job = restore(product, archive, small / "new", paths=[one])
    assert (job["status"], job["error_code"]) == ("failed", "no_space"), job
    assert trees.names(small) == []
    assert job["nfiles"] == 0


def test_a_disk_that_fills_up(
    product: Product, archive: int, tree: Path, tmp_path: Path, mounted: Any
) -> None:
    few = mounted(tmp_path / "few", "size=500m,nr_inodes=20")
    job = restore(product, archive, few)
    assert (job["status"], job["error_code"], job["nfiles"]) == ("failed", "disk_full", 0), job
    assert "Nothing was put in place" in job["error_message"]
    assert trees.names(few) == []

    small = mounted(tmp_path / "small", "size=1m")
    paths = [f"{stored(tree)}/plain"]
    there = inside(tree, small) / "plain" / "a.txt"
    there.parent.mkdir(parents=True)
    there.write_text("mine")
    job = restore(product, archive, small, overwrite=True, paths=paths)
    assert (job["status"], job["error_code"]) == ("failed", "no_space"), job
    assert there.read_text() == "mine"
    job = restore(product, archive, small, overwrite=True, paths=paths, ignore_free_space=True)
    assert (job["status"], job["error_code"]) == ("failed", "disk_full"), job
    partial = Path(job["partial_file"])
    assert partial.name in {"random.bin", "twin"}
    assert 0 < partial.stat().st_size < 3_000_000


def test_holes_take_no_space(
    product: Product, archive: int, tree: Path, tmp_path: Path, mounted: Any
) -> None:
    small = mounted(tmp_path / "small", "size=30m")
    paths = [f"{stored(tree)}/holes.img"]
    job = restore(product, archive, small, paths=paths)
    assert (job["status"], job["error_code"]) == ("failed", "no_space"), job
    job = restore(product, archive, small, paths=paths, ignore_free_space=True)
    assert (job["status"], job["ignore_free_space"]) == ("completed", True), job
    assert (inside(tree, small) / "holes.img").stat().st_size > 60_000_000


def test_a_read_only_destination(
    product: Product, archive: int, tmp_path: Path, mounted: Any
) -> None:
    fixed = mounted(tmp_path / "fixed", "size=1m,ro")
    for more in ({}, {"overwrite": True}, {"dry_run": True}):
        for destination in (fixed, fixed / "new"):
            job = restore(product, archive, destination, **more)
            assert (job["status"], job["error_code"]) == ("failed", "destination_read_only"), job
            assert job["process_pid"] is None


def test_a_file_for_a_destination(product: Product, archive: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for destination in (tmp_path / "file", tmp_path / "file" / "below"):
        for more in ({}, {"overwrite": True}, {"dry_run": True}):
            job = restore(product, archive, destination, **more)
            assert (job["status"], job["error_code"]) == ("failed", "destination_not_a_folder"), job
    assert (tmp_path / "file").read_text() == "x"


def test_one_file_that_cannot_be_written_fails_the_job(
    product: Product, archive: int, tree: Path, tmp_path: Path
) -> None:
    """A folder with something in it stands where a file is to go, and borg goes on."""
    out = tmp_path / "out"
    (inside(tree, out) / "plain" / "a.txt" / "full").mkdir(parents=True)
    job = restore(product, archive, out, overwrite=True)
    assert (job["status"], job["error_code"], job["warning_count"]) == (
        "failed",
        "not_all_restored",
        1,
    )
    assert job["warnings"][0]["path"] == f"{stored(tree)}/plain/a.txt"
    assert (inside(tree, out) / "plain" / "random.bin").stat().st_size == 3_000_000


def test_folders_too_deep_to_be_merged(product: Product, tmp_path: Path) -> None:
    """It is said what was put in place before."""
    source = tmp_path / "s"
    deep = source.joinpath(*"d" * 600)
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep")
    (source / "a.txt").write_text("first")
    archive = backed_up(product, product.shared_repository([source]))
    (source / "a.txt").unlink()
    (deep / "file").unlink()
    job = restore(product, archive, Path("/"))
    assert (job["status"], job["error_code"], job["nfiles"]) == ("failed", "too_deep", 1), job
    assert "1 file (5 B) had been put in place." in job["error_message"]
    assert trees.staged(source) == []


# -- stopped ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big(product: Product, big_source: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    folder = tmp_path_factory.mktemp("big-repository")
    repo_id = product.add_repository("big restore", folder / "repository", [big_source])
    return backed_up(product, repo_id)


def under_way(product: Product, job_id: int) -> dict[str, Any]:
    """Wait until some files are extracted."""
    while True:
        job = product.job(job_id)
        assert job["status"] in {"pending", "running"}, job
        if (job["nfiles"] or 0) >= 2:
            return job


def test_progress_and_cancel(product: Product, big: int, big_source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job_id = start(product, big, out)
    job = under_way(product, job_id)
    assert 0 < job["progress_percent"] < 100
    assert 0 < job["restored_size"] < 600_000_000
    assert job["eta_seconds"] is not None
    assert job["current_file"].startswith(str(inside(big_source, out)))
    product.post(f"/api/jobs/{job_id}/cancel")
    job = product.wait_job(job_id)
    assert (job["status"], job["error_code"]) == ("cancelled", None)
    assert job["error_message"] == "It was cancelled. Nothing was put in place."
    assert (job["nfiles"], job["restored_size"]) == (0, 0)
    assert not out.exists()


def test_cancel_names_the_half_written_file(
    product: Product, big: int, big_source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    job_id = start(product, big, out, overwrite=True)
    under_way(product, job_id)
    product.post(f"/api/jobs/{job_id}/cancel")
    job = product.wait_job(job_id)
    assert job["status"] == "cancelled"
    partial = Path(job["partial_file"])
    assert partial.parent == inside(big_source, out)
    whole = [path for path in partial.parent.iterdir() if path != partial]
    assert len(whole) in {job["nfiles"], job["nfiles"] - 1}
    for path in whole:
        assert path.read_bytes() == (big_source / path.name).read_bytes()
    assert f"{job['nfiles']} file" in job["error_message"]
    assert job["warnings"][-1]["path"] == str(partial)


def files_told(marker: Path) -> int:
    """What of a restore its outcome would say if it were killed now."""
    return int(json.loads(marker.read_text())["told"].get("nfiles", 0))


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_killed_worker_leaves_nothing_behind(
    big_source: Path, tmp_path: Path, overwrite: bool
) -> None:
    out = tmp_path / "out"
    with running(tmp_path / "data") as product:
        repo_id = product.add_repository("killed", tmp_path / "repository", [big_source])
        archive = backed_up(product, repo_id)
        job_id = start(product, archive, out, overwrite=overwrite)
        under_way(product, job_id)
        if overwrite:
            marker = product.data_dir / "run" / f"{job_id}-1.restore"
            wait_for(lambda: files_told(marker) >= 1, 20, "nothing is told")
        product.kill_all()
        if not overwrite:
            assert trees.staged(out) != []
        again = Product(product.data_dir, port=product.port).start().sign_in()
        try:
            job = again.wait_job(job_id)
            assert (job["status"], job["error_code"]) == ("failed", "restarted")
            markers = again.data_dir / "run"
            wait_for(lambda: not list(markers.glob("*.restore")), 20, "the marker stays")
            if overwrite:
                assert Path(job["partial_file"]).parent == inside(big_source, out)
                assert job["nfiles"] >= 1
            else:
                assert not out.exists()
                assert (job["nfiles"], job["restored_size"]) == (0, 0)
            repeated = again.post(f"/api/jobs/{job_id}/retry", {})
            assert again.wait_job(repeated.json["job_id"])["status"] == "completed"
            assert (inside(big_source, out) / "0.bin").read_bytes() == (
                big_source / "0.bin"
            ).read_bytes()
        finally:
            again.stop()
    shutil.rmtree(out)


def test_an_archive_that_was_made_anew(product: Product, source: Path, tmp_path: Path) -> None:
    """Another client has used its name again: what a person saw is not what is there."""
    repository = tmp_path / "repository"
    repo_id = product.add_repository("anew", repository, [source])
    backed_up(product, repo_id)
    archive = backed_up(product, repo_id)
    newest, other = product.get(f"/api/repositories/{repo_id}/archives").json["items"]
    borg(repository, "delete", f"::{newest['name']}", home=tmp_path)
    borg(repository, "create", f"::{newest['name']}", str(source), home=tmp_path)
    for more in ({}, {"overwrite": True}, {"dry_run": True}):
        job = restore(product, archive, tmp_path / "out", **more)
        assert (job["status"], job["error_code"]) == ("failed", "archive_changed"), job
    assert not (tmp_path / "out").exists()
    for path, body in (
        (f"archives/{archive}/downloads", {"format": "tar"}),
        (f"archives/{archive}/diff/{other['id']}", {}),
        (f"repositories/{repo_id}/drill", {"archive_id": archive}),
        (f"archives/{archive}/mount", {}),
    ):
        job = product.wait_job(product.post(f"/api/{path}", body).json["job_id"])
        assert (job["status"], job["error_code"]) == ("failed", "archive_changed"), job


# -- the row ---------------------------------------------------------------------------------------


def test_an_archive_that_is_gone(product: Product, source: Path, tmp_path: Path) -> None:
    repo_id = product.add_repository("gone", tmp_path / "repository", [source])
    archive = backed_up(product, repo_id)
    job = restore(product, archive, tmp_path / "out", strip_components=50)
    borg(tmp_path / "repository", "delete", f"::{job['archive']}", home=tmp_path)
    refused = restore(product, archive, tmp_path / "out")
    assert (refused["status"], refused["error_code"]) == ("failed", "archive_missing"), refused
    refresh = product.post(f"/api/repositories/{repo_id}/refresh", {}).json["job_id"]
    product.wait_job(refresh)
    assert product.post(f"/api/archives/{archive}/restore", {"destination": "/x"}).status == 404
    retried = product.post(f"/api/jobs/{job['id']}/retry", {}).json["job_id"]
    ended = product.wait_job(retried)
    assert (ended["status"], ended["error_code"]) == ("failed", "archive_gone")
    assert ended["destination"] == str(tmp_path / "out")
    history = product.get(f"/api/restore/jobs/{job['id']}").json
    assert (history["archive_id"], history["archive"]) == (None, job["archive"])


def test_nothing_is_written_into_another_repository_through_a_link(
    product: Product, source: Path, tmp_path: Path
) -> None:
    repo_id = product.add_repository(f"{tmp_path.name}-a", tmp_path / "a", [source])
    product.add_repository(f"{tmp_path.name}-b", tmp_path / "b", [source])
    product.wait_job(product.back_up(repo_id))
    archive = product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]
    stored = str(source).lstrip("/")
    target = tmp_path / "out" / stored
    target.parent.mkdir(parents=True)
    target.symlink_to(tmp_path / "b")
    before = sorted(path.name for path in (tmp_path / "b").iterdir())
    body = {
        "destination": str(tmp_path / "out"),
        "paths": [f"{stored}/photo.bin"],
        "overwrite": True,
    }
    answer = product.post(f"/api/archives/{archive['id']}/restore", body)
    job = product.wait_job(answer.json["job_id"])
    assert (job["status"], job["error_code"]) == ("failed", "destination_refused")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == before
