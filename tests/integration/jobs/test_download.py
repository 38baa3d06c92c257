"""What is downloaded is what the archive holds, byte for byte, and nothing stays behind."""

import base64
import io
import os
import sqlite3
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.integration.jobs import trees
from tests.integration.product import Answer, Product, borg, running, wait_for

FORMATS = ["tar", "tar.zst", "zip"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees.make(tmp_path_factory.mktemp("tree") / "source")


@pytest.fixture(scope="module")
def archive(product: Product, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The archive of ``tree``, made once."""
    folder = tmp_path_factory.mktemp("repositories")
    return backed_up(product, product.add_repository("tree", folder / "repository", [tree]))


@pytest.fixture
def plain(product: Product, source: Path) -> int:
    """The archive of a small folder."""
    return backed_up(product, product.shared_repository([source]))


def backed_up(product: Product, repo_id: int) -> int:
    job = product.wait_job(product.back_up(repo_id))
    assert (job["status"], job["warning_count"]) == ("completed", 0), job
    return int(product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]["id"])


def b64(path: Path | bytes | str) -> str:
    return base64.b64encode(os.fsencode(path).lstrip(b"/")).decode()


def start(product: Product, archive: int, form: str, *paths: Path | bytes) -> int:
    body = {"format": form, "paths_b64": [b64(path) for path in paths]}
    answer = product.post(f"/api/archives/{archive}/downloads", body)
    assert answer.status == 202, answer.body
    return int(answer.json["job_id"])


def prepared(product: Product, archive: int, form: str, *paths: Path | bytes) -> dict[str, Any]:
    return product.wait_job(start(product, archive, form, *paths))


def fetched(product: Product, archive: int, form: str, *paths: Path | bytes) -> Answer:
    return fetched_of(product, start(product, archive, form, *paths))


def fetched_of(product: Product, job_id: int) -> Answer:
    job = product.wait_job(job_id)
    assert job["status"] == "completed", job
    answer = product.get(f"/api/downloads/{job['id']}")
    assert answer.status == 200, answer.body
    assert len(answer.body) == job["file_size"]
    return answer


def unpacked(form: str, body: bytes, into: Path) -> Path:
    """By the tools people have; as root with owners."""
    into.mkdir()
    if form == "zip":
        made = into.parent / "made.zip"
        made.write_bytes(body)
        subprocess.run(["unzip", "-q", "-K", "-^", str(made), "-d", str(into)], check=True)
        return into
    if form == "tar.zst":
        body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
    subprocess.run(["tar", "-xpf", "-", "--same-owner", "-C", str(into)], input=body, check=True)
    return into


def left(product: Product) -> list[str]:
    return sorted(path.name for path in (product.data_dir / "downloads").iterdir())


# -- what is in it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["tar", "tar.zst"])
def test_a_tar_holds_all_of_it(
    product: Product, archive: int, tree: Path, tmp_path: Path, form: str
) -> None:
    body = fetched(product, archive, form, tree).body
    out = unpacked(form, body, tmp_path / "out") / tree.name
    assert lossy(trees.described(out)) == lossy(trees.described(tree))


def lossy(found: dict[bytes, dict[str, Any]]) -> dict[bytes, dict[str, Any]]:
    """Without what borg's tar does not hold: parts of seconds, attributes and ACLs (which stand
    in the group's part of a mode)."""
    for name, each in found.items():
        each["mtime"] //= 10**9
        del each["attributes"]
        if name == b"plain/empty.txt":
            del each["mode"]
    return found


def test_a_zip_holds_all_contents(
    product: Product, archive: int, tree: Path, tmp_path: Path
) -> None:
    job = prepared(product, archive, "zip", tree)
    assert (job["status"], job["warning_count"]) == ("completed", 1), job
    assert "named pipes and devices: 2" in job["warnings"][0]["message"]
    body = product.get(f"/api/downloads/{job['id']}").body
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        assert made.testzip() is None
        assert f"{tree.name}/empty folder/" in made.namelist()
    out = unpacked("zip", body, tmp_path / "out") / tree.name
    found, expected = trees.described(out), trees.described(tree)
    assert set(found) == set(expected)
    for name, each in expected.items():
        kind = stat.S_IFMT(int(each["mode"], 8))
        if kind in {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
            assert found[name]["content"] == each["content"], name
            assert found[name]["target"] == each["target"], name
        if kind == stat.S_IFREG:
            assert found[name]["mtime"] // 10**9 == each["mtime"] // 10**9, name
            if name != b"plain/empty.txt":
                assert found[name]["mode"] == each["mode"], name
    assert b"other/caf\xe9" in found


@pytest.mark.parametrize("form", FORMATS)
def test_a_whole_archive(
    product: Product, plain: int, source: Path, tmp_path: Path, form: str
) -> None:
    answer = fetched(product, plain, form)
    out = unpacked(form, answer.body, tmp_path / "out") / str(source).lstrip("/")
    assert (out / "photo.bin").read_bytes() == (source / "photo.bin").read_bytes()
    assert (out / "letters" / "a.txt").read_text() == "a letter"


@pytest.mark.parametrize("form", FORMATS)
def test_a_selection_lies_side_by_side(
    product: Product, archive: int, tree: Path, tmp_path: Path, form: str
) -> None:
    chosen = (tree / "empty folder", tree / "other" / "third", tree / "plain" / "twin")
    answer = fetched(product, archive, form, *chosen)
    out = unpacked(form, answer.body, tmp_path / "out")
    assert trees.names(out) == [b"empty folder", b"other", b"plain"]
    for path in chosen[1:]:
        assert (out / path.relative_to(tree)).read_bytes() == path.read_bytes()
    assert f"filename={tree.name}.{form}" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    "name",
    [
        b"plain/random.bin",
        b"plain/empty.txt",
        b"plain/twin",
        b"other/third",
        b"holes.img",
        *(b"other/" + each for each in (b"caf\xe9", b"new\nline", b"quo'te\"", b"-dash", b"{now}")),
        "other/ünïcode 漢".encode(),
    ],
)
def test_a_file_as_itself(product: Product, archive: int, tree: Path, name: bytes) -> None:
    path = os.fsencode(tree) + b"/" + name
    answer = fetched(product, archive, "file", path)
    with open(path, "rb") as file:  # noqa: PTH123 - bytes
        assert answer.body == file.read()
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert "\n" not in answer.headers["Content-Disposition"]
    if b"\xc3" in name:
        assert (
            "filename*=UTF-8''%C3%BCn%C3%AFcode%20%E6%BC%A2"
            in answer.headers["Content-Disposition"]
        )


def test_paths_are_literal(product: Product, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    names = [b"*", b"[x]", b" lead", b"re:.*", b"{now}", b"a?b", b"aXb", b"a\xffb", b"x"]
    for name in names:
        with open(os.fsencode(source) + b"/" + name, "wb") as file:  # noqa: PTH123
            file.write(name)
    archive = backed_up(product, product.shared_repository([source]))
    paths = {name: os.fsencode(source) + b"/" + name for name in names}
    files = {name: start(product, archive, "file", path) for name, path in paths.items()}
    # Those of the first that could be patterns would bring some of the second, were they taken so.
    patterns, others = names[:6], names[6:]
    zips = [
        (each, start(product, archive, "zip", *(paths[name] for name in each)))
        for each in (patterns, others)
    ]
    for name, job_id in files.items():
        assert fetched_of(product, job_id).body == name
    for each, job_id in zips:
        with zipfile.ZipFile(io.BytesIO(fetched_of(product, job_id).body)) as made:
            assert sorted(map(made.read, made.infolist())) == sorted(each)
    shown = {"format": "file", "paths": [f"{str(source)[1:]}/a?b"]}
    job_id = product.post(f"/api/archives/{archive}/downloads", shown).json["job_id"]
    job = product.wait_job(job_id)
    assert (job["status"], job["error_code"]) == ("failed", "not_one_file")


def test_many_names_in_one_zip(product: Product, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in range(20):
        (source / f"{folder}" / ("long" * 40)).mkdir(parents=True)
        for number in range(100):
            (source / f"{folder}" / ("long" * 40) / f"{number}").write_text(f"{folder} {number}")
    archive = backed_up(product, product.shared_repository([source]))
    body = fetched(product, archive, "zip", source).body
    with zipfile.ZipFile(io.BytesIO(body)) as made:
        assert made.testzip() is None
        assert len(made.namelist()) == 2041
    body = fetched(product, archive, "tar", source).body
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert len(tar.getnames()) == 2041


# -- how it is sent --------------------------------------------------------------------------------


def test_ranges(product: Product, archive: int, tree: Path) -> None:
    path = tree / "plain" / "random.bin"
    job = prepared(product, archive, "file", path)
    place = f"/api/downloads/{job['id']}"
    content = path.read_bytes()
    answer = product.get(place, headers={"Range": "bytes=1000-1999"})
    assert (answer.status, answer.body) == (206, content[1000:2000])
    assert answer.headers["Content-Range"] == f"bytes 1000-1999/{len(content)}"
    assert product.get(place, headers={"Range": "bytes=-5"}).body == content[-5:]
    assert product.get(place, headers={"Range": "bytes=99999999-"}).status == 416
    etag = answer.headers["ETag"]
    assert product.get(place, headers={"If-None-Match": etag}).status == 304
    head = product.request("HEAD", place)
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(content)))
    for _ in range(10):
        assert product.get(place).status == 200


def test_what_is_no_regular_file(product: Product, archive: int, tree: Path) -> None:
    for name in ("link", "fifo", "empty folder", "closed"):
        job = prepared(product, archive, "file", tree / name)
        assert (job["status"], job["error_code"]) == ("failed", "not_a_file"), name
        assert product.get(f"/api/downloads/{job['id']}").status == 409
        assert left_of(product, job["id"]) == []


def left_of(product: Product, job_id: int) -> list[str]:
    return [name for name in left(product) if name.startswith(f"{job_id}.")]


@pytest.mark.parametrize("form", ["file", *FORMATS])
def test_what_is_not_in_the_archive(product: Product, archive: int, tree: Path, form: str) -> None:
    job = prepared(product, archive, form, tree / "nothing of the kind")
    assert (job["status"], job["error_code"]) == ("failed", "nothing_matched")
    if form != "file":
        job = prepared(product, archive, form, tree / "plain", tree / "gone")
        assert (job["status"], job["error_code"]) == ("failed", "not_all_found")
        assert job["warnings"][0]["path"].endswith("/gone")
    assert left_of(product, job["id"]) == []


def test_refusals(product: Product, archive: int) -> None:
    place = f"/api/archives/{archive}/downloads"
    for body in (
        {},
        {"format": "rar"},
        {"format": "file"},
        {"format": "file", "paths": ["a", "b"]},
        {"format": "tar", "paths": ["/a"]},
        {"format": "tar", "paths": ["a/../b"]},
        {"format": "tar", "paths": ["a\0b"]},
        {"format": "tar", "paths": ["a" * 5000]},
        {"format": "tar", "paths_b64": ["!"]},
        {"format": "tar", "more": 1},
    ):
        assert product.post(place, body).status == 422, body
    assert product.post("/api/archives/999999/downloads", {"format": "tar"}).status == 404
    assert product.get("/api/downloads/999999").status == 404
    a_backup = product.get("/api/jobs?kind=backup").json["items"][0]["id"]
    assert product.get(f"/api/downloads/{a_backup}").status == 404
    assert Product(product.data_dir, product.port).get(f"/api/downloads/{a_backup}").status == 401


def test_an_archive_of_another_name(product: Product, plain: int, tmp_path: Path) -> None:
    row = product.get(f"/api/archives/{plain}/entries")
    assert row.status in {200, 409}
    name = prepared(product, plain, "tar")["archive"]
    borg(product.shared_folder, "delete", f"::{name}", home=tmp_path)
    job = prepared(product, plain, "tar")
    assert (job["status"], job["error_code"]) == ("failed", "archive_missing"), job
    assert left_of(product, job["id"]) == []


# -- when it ends badly ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big(product: Product, big_source: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    folder = tmp_path_factory.mktemp("big-repository")
    return backed_up(product, product.add_repository("big", folder / "repository", [big_source]))


@pytest.mark.parametrize("form", FORMATS)
def test_cancel(product: Product, big: int, form: str) -> None:
    job_id = start(product, big, form)
    part = product.data_dir / "downloads" / f"{job_id}.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 1_000_000, 30, "nothing is written")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert product.get(f"/api/downloads/{job_id}").status == 409
    assert product.post(f"/api/jobs/{job_id}/cancel").status == 202
    job = product.wait_job(job_id)
    assert job["status"] == "cancelled", job
    assert left_of(product, job_id) == []
    assert product.get(f"/api/downloads/{job_id}").status == 409


@pytest.fixture
def full(product: Product) -> Iterator[Path]:
    """The folder of downloads on a small file system of its own."""
    folder = product.data_dir / "downloads"
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "none", str(folder)], check=True
    )
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(product: Product, big: int, full: Path) -> None:
    job = prepared(product, big, "tar")
    assert (job["status"], job["error_code"]) == ("failed", "no_space"), job
    for form in ("tar.zst", "zip"):
        job = prepared(product, big, form)
        assert (job["status"], job["error_code"]) == ("failed", "disk_full"), job
        assert "Nothing was prepared." in job["error_message"]
        assert left(product) == []


def test_contents_that_are_lost(product: Product, source: Path, tmp_path: Path) -> None:
    (source / "noise").write_bytes(os.urandom(3_000_000))
    repository = tmp_path / "repository"
    repo_id = product.add_repository(
        tmp_path.name, repository, [source], encryption="none", passphrase=None
    )
    archive = backed_up(product, repo_id)
    segment = max((repository / "data").rglob("[0-9]*"), key=lambda path: path.stat().st_size)
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    segment.write_bytes(raw)

    def ended() -> Iterator[tuple[str, dict[str, Any]]]:
        jobs = [(form, start(product, archive, form, source / "noise")) for form in all_forms]
        yield from ((form, product.wait_job(job_id)) for form, job_id in jobs)

    all_forms = ("file", *FORMATS)
    for form, job in ended():
        assert job["status"] == "failed", (form, job)
        assert left_of(product, job["id"]) == []
    borg(repository, "check", "--repair", home=tmp_path, BORG_CHECK_I_KNOW_WHAT_I_AM_DOING="YES")
    product.wait_job(product.post(f"/api/repositories/{repo_id}/refresh").json["job_id"])
    archive = product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]["id"]
    for form, job in ended():
        assert (job["status"], job["error_code"]) == ("failed", "content_damaged"), (form, job)
        assert job["warnings"][0]["path"].endswith("/noise")


# -- how it goes -----------------------------------------------------------------------------------


def test_it_is_cleaned_up(product: Product, plain: int, source: Path) -> None:
    folder = product.data_dir / "downloads"
    job = prepared(product, plain, "tar")
    kept = prepared(product, plain, "tar")
    assert job["expires_at"] > job["completed_at"]
    assert oct((folder / f"{job['id']}.file").stat().st_mode) == oct(0o100600)
    for name in ("999999.file", "999998.part", "what.ever", f"{kept['id']}.part"):
        (folder / name).write_bytes(b"x")
    with sqlite3.connect(product.data_dir / "borgui.db", timeout=20) as database:
        database.execute(
            "update download_jobs set expires_at = '2020-01-01 00:00:00.000000' where id = ?",
            (job["id"],),
        )
    database.close()
    answer = product.get(f"/api/downloads/{job['id']}")
    assert (answer.status, answer.json["error"]["code"]) == (410, "download_gone")
    gone = {f"{job['id']}.file", "999999.file", "999998.part", "what.ever", f"{kept['id']}.part"}
    wait_for(lambda: not gone & set(left(product)), 40, "it stays")
    assert product.get(f"/api/downloads/{job['id']}").status == 410
    assert product.get(f"/api/downloads/{kept['id']}").status == 200
    (folder / f"{kept['id']}.file").unlink()
    assert product.get(f"/api/downloads/{kept['id']}").status == 410


def test_it_goes_with_its_row(tmp_path: Path, source: Path) -> None:
    with running(tmp_path / "data") as product:
        archive = backed_up(product, product.add_repository("one", tmp_path / "r", [source]))
        assert product.request("PUT", "/api/settings", {"log_retention_jobs": 1}).status == 200
        assert product.request("PUT", "/api/settings", {"download_hours": 0}).status == 422
        assert product.request("PUT", "/api/settings", {"download_hours": 2}).status == 200
        first = prepared(product, archive, "tar")["id"]
        second = prepared(product, archive, "tar")["id"]
        wait_for(lambda: product.get(f"/api/jobs/{first}").status == 404, 20, "the row stays")
        wait_for(lambda: left(product) == [f"{second}.file"], 40, "the file stays")
