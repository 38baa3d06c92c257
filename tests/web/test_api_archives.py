"""``/api/archives``: what archives hold, told from an index made of lines as borg prints them."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from borgui import contents
from borgui.api.archive_answers import (
    DiffAnswer,
    EntriesAnswer,
    IndexStarted,
    SearchAnswer,
    VersionsAnswer,
)
from borgui.borg.listing import Attributes, render
from borgui.config import Config
from borgui.index import IndexWriter, Query
from borgui.jobs.job import Job, Priority
from borgui.models import Archive, Session
from tests.valkey_server import RedisServer
from tests.web import world
from tests.web.world import Someone, add_repository

BEGIN = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = {"home/ann/a.txt": (1, 10), "home/ann/b.txt": (1, 20), "home/caf\udce9": (1, 5)}
SECOND = {"home/ann/a.txt": (2, 15), "home/ann/b.txt": (1, 20), "home/ann/c.txt": (2, 30)}
"""Path → (day of its last change, size)."""


def add_archive(repository: int, name: str, day: int, **values: Any) -> int:
    return world.add_archive(repository, name, start=BEGIN + day * DAY, **values)


def put_index(config: Config, archive_id: int, files: dict[str, tuple[int, int]]) -> None:
    """Index an archive as its job does: ``borg list`` prints a line a file."""
    archive = Session.get_one(Archive, archive_id)
    with IndexWriter(contents.index_file(config, archive.repository_id), archive.borg_id) as writer:
        for path, (day, size) in files.items():
            mtime = int((BEGIN + day * DAY).timestamp()) * 1_000_000
            item = Attributes("-", "rw-r--r--", 0, 0, "ann", "ann", size, mtime, False, "")
            writer.feed(f"{render(item)}\t{path!r}\n".encode())
        writer.finish()
    Session.remove()


@pytest.fixture
def archives(config: Config, repository: int) -> tuple[int, int, int]:
    """Three archives of a repository; the last has no index."""
    first, second, third = (add_archive(repository, f"day-{day}", day) for day in (1, 2, 3))
    put_index(config, first, FIRST)
    put_index(config, second, SECOND)
    return first, second, third


@pytest.fixture
def other(config: Config) -> int:
    """An archive of another repository, with an index."""
    number = add_archive(add_repository("letters"), "other", 5)
    put_index(config, number, {"srv/a.txt": (1, 7)})
    return number


def get(person: Someone, address: str, **query: Any) -> Any:
    return person.api("GET", f"/api/archives/{address}", query_string=query or None)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


# --- index --------------------------------------------------------------------------------------


def test_an_index_is_asked_for(operator: Someone, archives: tuple[int, int, int]) -> None:
    answer = operator.api("POST", f"/api/archives/{archives[2]}/index")
    assert answer.status_code == 202
    IndexStarted.model_validate(answer.json)
    job = operator.api("GET", answer.location).json
    assert (job["kind"], job["archive_id"], job["archive"]) == ("index", archives[2], "day-3")
    again = operator.api("POST", f"/api/archives/{archives[2]}/index", json={"priority": "high"})
    assert again.json == answer.json
    assert Session.get_one(Job, job["id"]).priority is Priority.HIGH
    there = operator.api("POST", f"/api/archives/{archives[0]}/index")
    assert (there.status_code, there.json) == (200, {"job_id": None, "status": "completed"})


def test_an_index_that_cannot_be_asked_for(
    operator: Someone,
    viewer: Someone,
    archives: tuple[int, int, int],
    repository: int,
    redis_server: RedisServer,
) -> None:
    place = f"/api/archives/{archives[2]}/index"
    assert viewer.api("POST", place).status_code == 403
    assert code(operator.api("POST", "/api/archives/999/index")) == (404, "archive_not_found")
    assert operator.api("POST", place, json={"priority": "now"}).status_code == 422
    assert operator.api("POST", place, json={"x": 1}).status_code == 422
    key = {"Idempotency-Key": "mine"}
    body = {"repository_id": repository}
    assert operator.api("POST", "/api/backup/run", json=body, headers=key).status_code == 202
    assert code(operator.api("POST", place, headers=key)) == (409, "key_used")
    redis_server.stop()
    assert code(operator.api("POST", place)) == (503, "queue_unavailable")
    assert get(operator, f"{archives[0]}/entries").status_code == 200
    assert Session.query(Job).where(Job.kind == "index").count() == 0


# --- entries ------------------------------------------------------------------------------------


def test_a_folder(operator: Someone, archives: tuple[int, int, int]) -> None:
    answer = get(operator, f"{archives[0]}/entries", path="home/")
    EntriesAnswer.model_validate(answer.json)
    assert answer.json["path"] == "home"
    assert answer.json["folder"]["size"] == 35
    ann, cafe = answer.json["items"]
    assert (ann["name"], ann["type"], ann["size"], ann["files"]) == ("ann", "folder", 30, 2)
    assert (cafe["name"], cafe["is_odd"], cafe["user"]) == ("caf\\xe9", True, "ann")
    assert base64.b64decode(cafe["path_b64"]) == b"home/caf\xe9"
    assert cafe["mtime"] == "2026-11-02T12:00:00.000Z"
    top = get(operator, f"{archives[0]}/entries").json
    assert (top["folder"], top["path"], top["total"], top["folders"]) == (None, "", 1, 1)
    exact = get(operator, f"{archives[0]}/versions", path_b64=cafe["path_b64"]).json
    assert exact["items"][0]["entry"] == cafe


def test_pages_of_a_folder_in_every_order(
    operator: Someone, config: Config, repository: int
) -> None:
    archive = add_archive(repository, "many", 1)
    put_index(config, archive, {f"f{n:03}": (n % 7, n * 37 % 101) for n in range(250)})
    names = {}
    for sort in ("name", "size", "mtime"):
        for order in ("asc", "desc"):
            found = [
                item
                for page in (1, 2, 3)
                for item in get(
                    operator, f"{archive}/entries", sort=sort, order=order, page=page, per_page=100
                ).json["items"]
            ]
            assert [item[sort] for item in found] == sorted(
                (item[sort] for item in found), reverse=order == "desc"
            )
            names[sort, order] = {item["name"] for item in found}
    assert {len(each) for each in names.values()} == {250}
    beyond = get(operator, f"{archive}/entries", page=9).json
    assert (beyond["items"], beyond["total"]) == ([], 250)


def test_no_index_is_a_conflict_and_starts_nothing(
    operator: Someone, archives: tuple[int, int, int]
) -> None:
    for path in ("entries", f"diff/{archives[0]}"):
        assert code(get(operator, f"{archives[2]}/{path}")) == (409, "index_missing")
    assert Session.query(Job).count() == 0


def test_a_damaged_index_counts_as_none(
    operator: Someone, archives: tuple[int, int, int], config: Config, repository: int
) -> None:
    file = contents.index_file(config, repository)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.write_bytes(b"nonsense" * 5000)
    assert code(get(operator, f"{archives[0]}/entries")) == (409, "index_missing")
    assert not file.exists()
    assert operator.api("POST", f"/api/archives/{archives[0]}/index").status_code == 202


# --- versions -----------------------------------------------------------------------------------


def test_versions(operator: Someone, archives: tuple[int, int, int]) -> None:
    answer = get(operator, f"{archives[2]}/versions", path="home/ann/a.txt").json
    VersionsAnswer.model_validate(answer)
    assert (answer["indexed"], answer["missing"]) == (2, 1)
    assert [(each["entry"]["size"], each["first"]["name"]) for each in answer["items"]] == [
        (10, "day-1"),
        (15, "day-2"),
    ]
    assert (answer["total"], answer["page"], answer["per_page"]) == (2, 1, 50)
    second = get(operator, f"{archives[2]}/versions", path="home/ann/a.txt", page=2, per_page=1)
    assert second.json["items"] == answer["items"][1:]
    assert (second.json["total"], second.json["page"], second.json["per_page"]) == (2, 2, 1)
    (same,) = get(operator, f"{archives[0]}/versions", path="home/ann/b.txt").json["items"]
    assert (same["first"]["id"], same["last"]["id"], same["archives"]) == (*archives[:2], 2)
    assert get(operator, f"{archives[0]}/versions").status_code == 422
    gone = get(operator, f"{archives[0]}/versions", path="home/ann/z.txt")
    assert code(gone) == (404, "path_not_found")


# --- search -------------------------------------------------------------------------------------


def test_search(
    operator: Someone, archives: tuple[int, int, int], other: int, repository: int
) -> None:
    answer = get(operator, "search", q="a.TXT").json
    SearchAnswer.model_validate(answer)
    assert [(each["repository_name"], each["path"]) for each in answer["items"]] == [
        ("letters", "srv/a.txt"),
        ("photos", "home/ann/a.txt"),
    ]
    assert (answer["total"], answer["indexed"], answer["missing"]) == (None, 3, 1)
    assert [each["entry"]["size"] for each in answer["items"][1]["versions"]] == [10, 15]

    def found(**query: Any) -> set[str]:
        return {each["name"] for each in get(operator, "search", **query).json["items"]}

    assert found(q="*.txt", repository_id=repository) == {"a.txt", "b.txt", "c.txt"}
    assert found(q=".txt", archive_id=archives[0]) == {"a.txt", "b.txt"}
    assert found(q="ann/?.txt", min_size=20, max_size=25) == {"b.txt"}
    assert found(q=".txt", after="2026-11-03") == {"a.txt", "c.txt"}
    assert found(type="folder") == {"home", "ann", "srv"}
    assert found(type="folder,file", before="2026-11-02T13:00:00+01:00", repository_id=repository)
    assert found(q="", min_size=30) == {"c.txt", "ann", "home"}
    assert found(q="/") != set()


@pytest.mark.usefixtures("archives", "other")
def test_a_search_loads_no_rows_whole(config: Config) -> None:
    Session.remove()
    found = contents.search(Session(), config, Query("a.txt"))
    assert [each.versions[-1].last.name for each in found.items] == ["other", "day-2"]
    assert not [each for each in Session().identity_map.values() if isinstance(each, Archive)]


def test_pages_of_a_search_go_through_all_repositories(
    operator: Someone, config: Config, repository: int, other: int
) -> None:
    archive = add_archive(repository, "many", 1)
    put_index(config, archive, {f"f{n:03}.txt": (1, 1) for n in range(25)})
    found, page = [], 1
    while True:
        answer = get(operator, "search", q=".txt", page=page, per_page=10).json
        found += [each["path"] for each in answer["items"]]
        if not answer["has_more"]:
            break
        assert len(answer["items"]) == 10
        page += 1
    assert (len(found), len(set(found)), page) == (26, 26, 3)


def test_a_search_without_any_index(operator: Someone, repository: int) -> None:
    add_archive(repository, "new", 1)
    answer = get(operator, "search", q="x").json
    assert (answer["items"], answer["indexed"], answer["missing"]) == ([], 0, 1)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"q": ""},
        {"q": "x" * 256},
        {"q": "a\0b"},
        {"q": "x", "type": "files"},
        {"q": "x", "type": "file,"},
        {"q": "x", "min_size": "-1"},
        {"q": "x", "min_size": "1e9"},
        {"q": "x", "max_size": str(2**70)},
        {"q": "x", "after": "yesterday"},
        {"q": "x", "after": "0001-01-01T00:00:00+14:00"},
        {"q": "x", "before": "9999-12-31T23:59:59-14:00"},
        {"q": "x", "repository_id": "0"},
        {"q": "x", "archive_id": str(2**31)},
        {"q": "x", "page": "0"},
        {"q": "x", "nonsense": "1"},
    ],
)
def test_a_search_is_checked(operator: Someone, query: dict[str, str]) -> None:
    answer = get(operator, "search", **query)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("q", ["*" * 255, "*a" * 120 + "b", "[", "[]", "[!]", "[a-", "[z-a]", "/"])
def test_no_question_takes_long_or_breaks(
    operator: Someone, config: Config, repository: int, q: str
) -> None:
    archive = add_archive(repository, "many", 1)
    put_index(config, archive, {"a" * 250: (1, 1), "x": (1, 1)})
    assert get(operator, "search", q=q).status_code == 200


def test_a_search_in_what_is_not_there(operator: Someone) -> None:
    assert code(get(operator, "search", q="x", archive_id=9)) == (404, "archive_not_found")
    assert code(get(operator, "search", q="x", repository_id=9)) == (404, "repository_not_found")


def test_a_search_in_an_archive_of_another_repository(operator: Someone, repository: int) -> None:
    archive = add_archive(repository, "one", 1)
    answer = get(operator, "search", q="x", archive_id=archive, repository_id=add_repository("two"))
    assert (answer.status_code, list(answer.json["error"]["fields"])) == (422, ["archive_id"])


# --- diff ---------------------------------------------------------------------------------------


def test_diff(operator: Someone, archives: tuple[int, int, int]) -> None:
    first, second, _ = archives
    top = get(operator, f"{first}/diff/{second}").json
    DiffAnswer.model_validate(top)
    (home,) = top["items"]
    assert (home["path"], home["status"], home["type"]) == ("home", "modified", "folder")
    assert top["counts"] == home["counts"] == {
        "added": 1, "removed": 1, "modified": 1, "added_size": 45, "removed_size": 15,
    }  # fmt: skip
    flat = get(operator, f"{first}/diff/{second}", flat="true", path="home/ann").json
    assert [(each["path"], each["status"]) for each in flat["items"]] == [
        ("home/ann/a.txt", "modified"),
        ("home/ann/c.txt", "added"),
    ]
    changed, added = flat["items"]
    assert (changed["before"]["size"], changed["after"]["size"]) == (10, 15)
    assert added["before"] is None
    back = get(operator, f"{second}/diff/{first}", flat="true", path="home/ann", page=2, per_page=1)
    assert back.json["items"][0]["status"] == "removed"
    assert back.json["items"][0]["after"] is None
    same = get(operator, f"{first}/diff/{first}").json
    assert (same["items"], same["has_more"]) == ([], False)


def test_a_diff_that_cannot_be(
    operator: Someone, archives: tuple[int, int, int], other: int
) -> None:
    first = archives[0]
    assert get(operator, f"{first}/diff/{other}").status_code == 422
    assert code(get(operator, f"{first}/diff/{archives[2]}")) == (409, "index_missing")
    assert code(get(operator, f"{first}/diff/999")) == (404, "archive_not_found")
    assert code(get(operator, f"999/diff/{first}")) == (404, "archive_not_found")
    assert code(get(operator, f"{first}/diff/{archives[1]}", path="nowhere")) == (
        404,
        "path_not_found",
    )


# --- all of them --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"path": "home/ann/a.txt/x"}, 404),
        ({"path": "home/nobody"}, 404),
        ({"path": "/home"}, 422),
        ({"path": "/"}, 422),
        ({"path": "home/../etc"}, 422),
        ({"path": ".."}, 422),
        ({"path": "home/./ann"}, 422),
        ({"path": "a\0b"}, 422),
        ({"path": "a" * 5000}, 422),
        ({"path": "ä" * 3000}, 422),
        ({"path": "a/" * 2000}, 404),
        ({"path_b64": "nonsense!"}, 422),
        ({"path_b64": "YQ"}, 422),
        ({"path_b64": ""}, 422),
        ({"path_b64": base64.b64encode(b"/home").decode()}, 422),
        ({"path_b64": base64.b64encode(b"a\0b").decode()}, 422),
        ({"path_b64": base64.b64encode(b"home/..").decode()}, 422),
        ({"path_b64": base64.b64encode(b"\xff\xfe").decode()}, 404),
        ({"path": "home", "path_b64": base64.b64encode(b"home").decode()}, 422),
        ({"path": "home", "x": "1"}, 422),
    ],
)
def test_every_bad_path(
    operator: Someone, archives: tuple[int, int, int], query: dict[str, str], status: int
) -> None:
    first, second, _ = archives
    for call in (f"{first}/entries", f"{first}/versions", f"{first}/diff/{second}"):
        answer = get(operator, call, **query)
        assert answer.status_code == status, (call, answer.text)
    assert get(operator, f"{first}/entries", path="home/ann/a.txt").status_code == 404


@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"page": "x"}, {"per_page": "201"}, {"page": "9" * 30}]
)
def test_every_bad_page(
    operator: Someone, archives: tuple[int, int, int], query: dict[str, str]
) -> None:
    for call in (f"{archives[0]}/entries", f"{archives[0]}/diff/{archives[1]}"):
        assert get(operator, call, **query).status_code == 422
    assert get(operator, f"{archives[0]}/entries", sort="colour").status_code == 422


@pytest.mark.parametrize("archive", ["0", "999", "2147483647", "2147483648", "9" * 30, "x", "-1"])
def test_every_bad_id(operator: Someone, archive: str) -> None:
    for call in ("entries", "versions?path=a", "diff/1"):
        assert get(operator, f"{archive}/{call}").status_code == 404
    assert operator.api("POST", f"/api/archives/{archive}/index").status_code == 404


def test_only_who_may_browse(
    app: Flask, someone: Callable[[str], Someone], archives: tuple[int, int, int]
) -> None:
    first, second, _ = archives
    calls = [f"{first}/entries", f"{first}/versions?path=home", "search?q=a",
             f"{first}/diff/{second}"]  # fmt: skip
    for role, status in (("viewer", 403), ("operator", 200), ("admin", 200)):
        person = someone(role)
        assert {get(person, call).status_code for call in calls} == {status}
    nobody = app.test_client()
    assert {nobody.get(f"/api/archives/{call}").status_code for call in calls} == {401}


def test_the_description_names_them(operator: Someone) -> None:
    described = operator.api("GET", "/api/openapi.json").json["paths"]
    for rule in ("index", "entries", "versions", "diff/{other_id}"):
        assert f"/api/archives/{{archive_id}}/{rule}" in described
    assert "/api/archives/search" in described
