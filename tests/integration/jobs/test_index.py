"""Indexes made by jobs on real borg, and what the API tells from them."""

import base64
import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest

from borgui.index import ArchiveIndex
from tests.integration.product import Product, borg, running, wait_for

IDLE_SECONDS = 1


@pytest.fixture(scope="module", autouse=True)
def _by_hand(product: Product) -> None:
    """Nothing is indexed unasked where a test looks at what was asked for."""
    assert product.request("PUT", "/api/settings", {"auto_index": False}).status == 200


@pytest.fixture(scope="module")
def many(product: Product, tmp_path_factory: pytest.TempPathFactory) -> int:
    """An archive of 10,000 files, whose listing takes a while."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(10):
        (folder / "source" / f"{number}").mkdir(parents=True)
        for name in range(1000):
            (folder / "source" / f"{number}" / f"{name:04}.txt").touch()
    repo_id = product.add_repository("many", folder / "repository", [folder / "source"])
    return back_up(product, repo_id)


def back_up(product: Product, repo_id: int) -> int:
    """A new archive; returns its id."""
    job = product.wait_job(product.back_up(repo_id))
    assert (job["status"], job["warning_count"]) == ("completed", 0), job
    return int(product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]["id"])


def start(product: Product, archive: int, **body: Any) -> int:
    answer = product.post(f"/api/archives/{archive}/index", body)
    assert answer.status == 202, answer.body
    return int(answer.json["job_id"])


def make_index(product: Product, archive: int) -> None:
    job = product.wait_job(start(product, archive))
    assert job["status"] == "completed", job
    again = product.post(f"/api/archives/{archive}/index")
    assert (again.status, again.json) == (200, {"job_id": None, "status": "completed"})


def ask(product: Product, address: str, **query: Any) -> Any:
    answer = product.get(f"/api/archives/{address}?{urlencode(query)}")
    assert answer.status == 200, answer.body
    return answer.json


def walk(product: Product, archive: int, **query: Any) -> Iterator[dict[str, Any]]:
    """Every entry below a folder, page by page."""
    page = 1
    while True:
        found = ask(product, f"{archive}/entries", page=page, per_page=200, **query)
        for entry in found["items"]:
            yield entry
            if entry["type"] == "folder":
                yield from walk(product, archive, path_b64=entry["path_b64"])
        if page * 200 >= found["total"]:
            return
        page += 1


def index_file(product: Product, repo_id: int) -> Path:
    return product.data_dir / "indexes" / f"{repo_id}.db"


def indexed(product: Product, repo_id: int) -> set[str]:
    """Borg's ids of the archives that are in the index."""
    with ArchiveIndex(index_file(product, repo_id)) as index:
        return set(index.roots())


def test_entries_are_what_borg_lists(product: Product, source: Path, tmp_path: Path) -> None:
    (source / "link").symlink_to("letters/a.txt")
    (source / "empty").mkdir()
    os.mkfifo(source / "pipe")
    odd = os.fsencode(source) + b"/caf\xe9 *[x]\n"
    with open(odd, "wb") as file:  # noqa: PTH123 - a name that is no text
        file.write(b"latin-1")
    os.utime(source / "photo.bin", (1_700_000_000, 1_700_000_000))
    repo_id = product.add_repository("letters", tmp_path / "repository", [source])
    archive = back_up(product, repo_id)
    missing = product.get(f"/api/archives/{archive}/entries")
    assert (missing.status, missing.json["error"]["code"]) == (409, "index_missing")
    make_index(product, archive)

    name = product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]["name"]
    listed = borg(tmp_path / "repository", "list", "--json-lines", f"::{name}", home=tmp_path)
    lines = [json.loads(line) for line in listed.splitlines()]
    found = {}
    for entry in walk(product, archive):
        path = base64.b64decode(entry["path_b64"])
        found[path.decode("utf-8", "replace").replace("\ufffd", "?")] = entry
    above = {part for part in found if found[part]["mtime"] is None}
    assert {line["path"] for line in lines} == set(found) - above
    kinds = {"-": "file", "d": "folder", "l": "symlink", "p": "fifo"}
    for line in lines:
        entry = found[line["path"]]
        assert entry["type"] == kinds[line["type"]]
        assert entry["mode"] == line["mode"][1:]
        assert entry["user"] == line["user"]
        if entry["type"] == "file":
            assert entry["size"] == line["size"]
    photo = found[f"{source}/photo.bin".lstrip("/")]
    assert photo["mtime"] == "2023-11-14T22:13:20.000Z"
    assert found[f"{source}/link".lstrip("/")]["link_target"] == "letters/a.txt"
    (odd_entry,) = (entry for entry in found.values() if entry["is_odd"])
    assert odd_entry["name"] == "caf\\xe9 *[x]\\x0a"
    top = ask(product, f"{archive}/entries", path=str(source).lstrip("/"), sort="size")
    assert [entry["type"] for entry in top["items"]][: top["folders"]] == ["folder"] * 2
    assert top["folder"]["size"] == 256_000 + 8 + 7 + len("letters/a.txt")
    assert top["folder"]["files"] == 5


def test_a_file_is_found_with_its_history(product: Product, source: Path, tmp_path: Path) -> None:
    letter = source / "letters" / "a.txt"
    repo_id = product.add_repository("history", tmp_path / "repository", [source])
    first = back_up(product, repo_id)
    second = back_up(product, repo_id)
    letter.write_text("a longer letter")
    (source / "new.txt").write_text("new")
    third = back_up(product, repo_id)
    letter.unlink()
    fourth = back_up(product, repo_id)
    for archive in (first, second, third):
        make_index(product, archive)

    found = ask(product, "search", q="A.TX", repository_id=repo_id)
    assert (found["indexed"], found["missing"], found["is_complete"]) == (3, 1, True)
    (hit,) = found["items"]
    assert hit["path"] == str(letter).lstrip("/")
    versions = [
        (each["entry"]["size"], each["first"]["id"], each["last"]["id"], each["archives"])
        for each in hit["versions"]
    ]
    assert versions == [(8, first, second, 2), (15, third, third, 1)]
    history = ask(product, f"{third}/versions", path=hit["path"])
    assert history["items"] == hit["versions"]
    in_one = ask(product, "search", q="*.txt", archive_id=second, type="file", max_size=100)
    assert [each["path"] for each in in_one["items"]] == [hit["path"]]
    everywhere = ask(product, "search", q="a.txt", before=datetime.now().astimezone().isoformat())
    assert hit["path"] in [each["path"] for each in everywhere["items"]]
    pages = [ask(product, "search", q="t", page=page, per_page=1) for page in (1, 2)]
    assert pages[0]["has_more"]
    assert pages[0]["items"][0]["path"] != pages[1]["items"][0]["path"]

    folder = str(source).lstrip("/")
    diff = ask(product, f"{second}/diff/{third}", path=folder)
    changes = {each["path"].removeprefix(f"{folder}/"): each for each in diff["items"]}
    assert changes["new.txt"]["status"] == "added"
    assert changes["letters"]["counts"] == {
        "added": 0, "removed": 0, "modified": 1, "added_size": 15, "removed_size": 8,
    }  # fmt: skip
    assert (diff["counts"]["added"], diff["counts"]["modified"]) == (1, 1)
    flat = ask(product, f"{third}/diff/{second}", flat="true")
    below = {each["path"].removeprefix(f"{folder}/"): each["status"] for each in flat["items"]}
    assert below == {"letters/a.txt": "modified", "new.txt": "removed"}
    not_yet = product.get(f"/api/archives/{third}/diff/{fourth}")
    assert (not_yet.status, not_yet.json["error"]["code"]) == (409, "index_missing")
    gone = product.get(f"/api/archives/{third}/versions?path=nowhere")
    assert (gone.status, gone.json["error"]["code"]) == (404, "path_not_found")


def test_two_who_ask_get_one_job(product: Product, many: int) -> None:
    first = start(product, many, priority="low")
    assert start(product, many) == first
    assert product.job(first)["archive_id"] == many
    with paused(product, first):
        cancel(product, first)
    assert product.wait_job(first)["status"] == "cancelled"


def test_cancelled_and_killed_it_leaves_nothing_half_done(product: Product, many: int) -> None:
    """Runs on what the others left: cancelled first, then killed, then whole."""
    job_id = start(product, many)
    with paused(product, job_id) as seen:
        assert seen["progress_message"].endswith("entries read")
        assert 0 <= seen["progress_percent"] < 100
        cancel(product, job_id)
    assert product.wait_job(job_id)["status"] == "cancelled"
    assert product.get(f"/api/archives/{many}/entries").status == 409

    job_id = start(product, many)
    with paused(product, job_id):
        horse = json.loads((product.data_dir / "run" / f"{job_id}.json").read_text())["horse_pid"]
        os.kill(horse, 9)
    ended = product.wait_job(job_id)
    assert (ended["status"], ended["error_code"]) == ("failed", "worker_killed")
    assert product.get(f"/api/archives/{many}/entries").status == 409

    make_index(product, many)
    files = ask(product, "search", q="0999.txt", archive_id=many, per_page=200)
    assert len(files["items"]) == 10


def test_an_index_goes_with_what_it_is_of(product: Product, source: Path, tmp_path: Path) -> None:
    repo_id = product.add_repository("passing", tmp_path / "repository", [source])
    first, second = back_up(product, repo_id), back_up(product, repo_id)
    make_index(product, first)
    (kept, name) = (
        product.get(f"/api/repositories/{repo_id}/archives").json["items"][place]["name"]
        for place in (0, 1)
    )
    borg(tmp_path / "repository", "delete", f"::{name}", home=tmp_path)
    job = product.post(f"/api/repositories/{repo_id}/refresh").json["job_id"]
    assert product.wait_job(job)["status"] == "completed"
    assert product.get(f"/api/archives/{first}/entries").status == 404
    assert indexed(product, repo_id) == set()
    job_id = start(product, second)
    assert product.wait_job(job_id)["status"] == "completed"
    assert kept in product.job(job_id)["archive"]
    assert len(indexed(product, repo_id)) == 1
    deleted = product.request("DELETE", f"/api/archives/{second}").json["job_id"]
    assert product.wait_job(deleted)["status"] == "completed"
    assert indexed(product, repo_id) == set()
    assert index_file(product, repo_id).exists()
    assert product.request("DELETE", f"/api/repositories/{repo_id}").status == 204
    wait_for(lambda: not index_file(product, repo_id).exists(), 20, "the index stays")


def test_a_name_that_was_used_again_is_not_taken_for_the_archive(
    product: Product, source: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    repo_id = product.add_repository("used again", repository, [source])
    archive = back_up(product, repo_id)
    name = product.get(f"/api/repositories/{repo_id}/archives").json["items"][0]["name"]
    borg(repository, "delete", f"::{name}", home=tmp_path)
    borg(repository, "create", f"::{name}", str(tmp_path / "source"), home=tmp_path)
    job = product.wait_job(start(product, archive))
    assert (job["status"], job["error_code"]) == ("failed", "archive_changed")
    assert product.get(f"/api/archives/{archive}/entries").status == 409


def test_a_damaged_index_is_made_again(product: Product, source: Path, tmp_path: Path) -> None:
    repo_id = product.add_repository("damaged", tmp_path / "repository", [source])
    archive = back_up(product, repo_id)
    make_index(product, archive)
    index_file(product, repo_id).write_bytes(b"no database at all" * 1000)
    assert product.get(f"/api/archives/{archive}/entries").status == 409
    make_index(product, archive)
    assert ask(product, f"{archive}/entries")["total"] == 1


@pytest.fixture(scope="module")
def resting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product of its own that makes indexes unasked."""
    with running(tmp_path_factory.mktemp("resting") / "data") as product:
        settings = {"auto_index_idle_seconds": IDLE_SECONDS}
        assert product.request("PUT", "/api/settings", settings).status == 200
        yield product


def test_what_a_backup_made_is_indexed_at_rest(
    resting: Product, tmp_path: Path, source: Path
) -> None:
    product = resting
    repo_id = product.add_repository("rest", tmp_path / "repository", [source])
    archives = [back_up(product, repo_id) for _ in range(2)]

    def made() -> bool:
        return all(
            product.get(f"/api/archives/{archive}/entries").status == 200 for archive in archives
        )

    wait_for(made, 40, "nothing was indexed")
    jobs = product.get(f"/api/jobs?kind=index&repository_id={repo_id}").json["items"]
    assert [job["archive_id"] for job in jobs] == archives
    assert {(job["priority"], job["trigger"]) for job in jobs} == {("low", "chain")}


def test_an_index_made_unasked_gives_way(resting: Product, tmp_path: Path, source: Path) -> None:
    product = resting
    repo_id = product.add_repository("gives way", tmp_path / "repository", [source])
    archive = back_up(product, repo_id)
    unasked: dict[str, Any] = {}

    def is_running() -> bool:
        where = f"/api/jobs?kind=index&status=running&repository_id={repo_id}"
        items = product.get(where).json["items"]
        unasked.update(items[0] if items else {})
        return bool(unasked.get("process_pid"))

    wait_for(is_running, 40, "nothing is indexed")
    process = psutil.Process(unasked["process_pid"])
    process.suspend()
    backup = product.back_up(repo_id)
    wait_for(
        lambda: product.job(unasked["id"])["cancel_requested_at"] is not None,
        10,
        "the index goes on",
    )
    until_told_to_end(process.pid)
    process.resume()
    assert product.wait_job(backup)["status"] == "completed"
    ended = product.job(unasked["id"])
    assert (ended["status"], ended["gave_way"]) == ("cancelled", True)
    wait_for(
        lambda: product.get(f"/api/archives/{archive}/entries").status == 200,
        40,
        "it is not made later",
    )


def cancel(product: Product, job_id: int) -> None:
    """Ask a job to end whose borg stands still: that learns it as soon as it goes on."""
    assert product.post(f"/api/jobs/{job_id}/cancel").status == 202
    until_told_to_end(product.job(job_id)["process_pid"])


def until_told_to_end(pid: int) -> None:
    """Wait until a process that stands still has been sent SIGTERM."""

    def is_told() -> bool:
        status = Path(f"/proc/{pid}/status").read_text()
        masks = re.findall(r"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$", status, re.MULTILINE)
        return any(int(mask, 16) & 1 << signal.SIGTERM - 1 for mask in masks)

    wait_for(is_told, 20, "borg is not told to end")


@contextlib.contextmanager
def paused(product: Product, job_id: int) -> Iterator[dict[str, Any]]:
    """Its borg stands still after it has listed something; goes on afterwards if it is there."""
    product.wait_job(job_id, "running")
    process = psutil.Process(product.job(job_id)["process_pid"])
    deadline = time.monotonic() + 60
    seen: dict[str, Any] = {"progress_message": None}
    while not seen["progress_message"]:
        assert time.monotonic() < deadline, seen
        process.resume()
        written = process.io_counters().write_chars + 8000  # what it flushes at once
        while process.io_counters().write_chars < written:
            assert time.monotonic() < deadline, seen
            time.sleep(0.005)
        process.suspend()
        time.sleep(0.6)  # what was read meanwhile is published twice a second
        seen = product.job(job_id)
        assert seen["status"] == "running", seen
    try:
        yield seen
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
