"""Content diffs: who may start and read them, by page and by API, and what is told."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from borgui import diffs
from borgui.api.archive_answers import ContentDiffAnswer
from borgui.borg.differences import Change, Difference
from borgui.config import Config
from borgui.diff_file import DiffWriter
from borgui.jobs import kind_of
from borgui.jobs.job import Job, Status
from borgui.models import Session, now
from borgui.validation import to_b64
from tests.web import world
from tests.web.world import Someone, add_job, add_repository

ROW = kind_of("diff").row
ODD = os.fsdecode(b"home/anna/m\xfcsic.flac")
FOUND = [
    Difference("home/anna/letter.odt", frozenset({Change.CONTENT, Change.MODE}), "file", 600, 400,
               ("-rw-r--r--", "-rwxr-xr-x")),
    Difference("home/anna/new.txt", frozenset({Change.ADDED}), "file", 9),
    Difference("home/anna/gone.txt", frozenset({Change.REMOVED}), "file", None, 77),
    Difference("home/anna/docs", frozenset({Change.OWNER}), "folder",
               owners=("anna:anna", "root:root")),
    Difference("home/bert/pipe", frozenset({Change.ADDED}), "fifo"),
    Difference("home/bert/x", frozenset({Change.OTHER})),
    Difference(ODD, frozenset({Change.CONTENT}), "file"),
]  # fmt: skip


def add_archive(repository: int, name: str, days: int) -> int:
    return world.add_archive(repository, name, start=now() - timedelta(days=days))


@pytest.fixture
def pair(repository: int) -> tuple[int, int]:
    return add_archive(repository, "photos-1", 2), add_archive(repository, "photos-2", 1)


@pytest.fixture
def told(config: Config, repository: int, pair: tuple[int, int]) -> Callable[..., int]:
    """Makes a job, completed with a file unless told otherwise; its id."""

    def make(*found: Difference, **values: Any) -> int:
        number = add_job(
            ROW,
            **{
                "status": Status.COMPLETED,
                "repository_id": repository,
                "completed_at": now(),
                "archive_id": pair[0],
                "archive": "photos-1",
                "other_id": pair[1],
                "other": "photos-2",
                "differences": len(found),
                "times_only": 3,
                "expires_at": now() + timedelta(days=1),
                **values,
            },
        )
        if values.get("status", Status.COMPLETED) == Status.COMPLETED:
            with DiffWriter(config.diffs / f"{number}.part") as writer:
                for each in found:
                    writer.add(each)
                writer.sort()
                writer.finish(diffs.file_of(config, number))
        return number

    return make


def ask(person: Someone, pair: tuple[int, int], **query: Any) -> Any:
    address = f"/api/archives/{pair[0]}/diff/{pair[1]}"
    return person.api("GET", address, query_string={"contents": "true", **query})


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


def page(person: Someone, repository: int, pair: tuple[int, int], more: str = "") -> str:
    address = f"/repositories/{repository}/compare?before={pair[0]}&after={pair[1]}&contents=1"
    answer = person.browser("GET", f"{address}{more}")
    assert answer.status_code == 200, answer.text
    return answer.text


# -- the API -------------------------------------------------------------------------------------


def test_start_by_api(redis: Redis, pair: tuple[int, int], operator: Someone) -> None:
    address = f"/api/archives/{pair[0]}/diff/{pair[1]}"
    body = {"paths": ["home/a"], "paths_b64": [to_b64(ODD)]}
    answer = operator.api("POST", address, json=body)
    assert answer.status_code == 202, answer.text
    job = operator.api("GET", answer.headers["Location"]).json
    assert (job["kind"], job["archive_id"], job["other_id"]) == ("diff", *pair)
    assert (job["archive"], job["other"]) == ("photos-1", "photos-2")
    assert job["paths"] == ["home/a", "home/anna/m\\xfcsic.flac"]
    assert (job["differences"], job["changes"], job["expires_at"]) == (None, None, None)
    assert operator.api("POST", address).status_code == 202


def test_what_is_refused(redis: Redis, pair: tuple[int, int], operator: Someone) -> None:
    def start(first: int, second: int, body: Any = None) -> Any:
        return operator.api("POST", f"/api/archives/{first}/diff/{second}", json=body or {})

    foreign = add_archive(add_repository("other"), "x", 1)
    assert "other_id" in start(pair[0], foreign).json["error"]["fields"]
    assert start(pair[0], foreign).status_code == 422
    assert start(pair[0], pair[0]).status_code == 422
    assert code(start(pair[0], 999)) == (404, "archive_not_found")
    assert code(start(999, pair[0])) == (404, "archive_not_found")
    for body in ({"paths": ["/etc"]}, {"paths": ["a/../b"]}, {"paths": ["a\0"]},
                 {"paths_b64": ["!"]}, {"paths": ["x" * 5000]}, {"path": "a"}):  # fmt: skip
        assert start(*pair, body).status_code == 422, body
    assert Session.query(Job).count() == 0


def test_read_by_api(pair: tuple[int, int], operator: Someone, told: Callable[..., int]) -> None:
    assert code(ask(operator, pair)) == (409, "diff_missing")
    told(*FOUND[:1])
    number = told(*FOUND)
    answer = ask(operator, pair).json
    ContentDiffAnswer.model_validate(answer)
    assert (answer["job_id"], answer["total"], answer["times_only"]) == (number, 7, 3)
    assert [each["path"] for each in answer["items"]] == [
        "home/anna/docs",
        "home/anna/gone.txt",
        "home/anna/letter.odt",
        "home/anna/m\\xfcsic.flac",
        "home/anna/new.txt",
        "home/bert/pipe",
        "home/bert/x",
    ]
    docs, gone, letter, odd, *_ = answer["items"]
    assert (docs["owner_before"], docs["owner_after"]) == ("anna:anna", "root:root")
    assert (gone["added_size"], gone["removed_size"]) == (None, 77)
    assert letter["changes"] == ["content", "mode"]
    assert (letter["mode_before"], letter["mode_after"]) == ("-rw-r--r--", "-rwxr-xr-x")
    assert (odd["is_odd"], odd["path_b64"], odd["added_size"]) == (True, to_b64(ODD), None)
    assert answer["counts"] == {
        "added": 2, "removed": 1, "content": 2, "link": 0, "mode": 1, "owner": 1, "other": 1,
    }  # fmt: skip
    inside = ask(operator, pair, path="home/bert", per_page=1, page=2).json
    assert ([each["path"] for each in inside["items"]], inside["total"]) == (["home/bert/x"], 2)
    assert inside["counts"]["content"] == 0
    added = ask(operator, pair, change="added", path="home/anna").json
    assert [each["path"] for each in added["items"]] == ["home/anna/new.txt"]
    assert ask(operator, pair, path="nowhere").json["total"] == 0
    assert code(ask(operator, (pair[1], pair[0]))) == (409, "diff_missing")


def test_a_result_tells_of_what_it_was_limited_to(
    pair: tuple[int, int], operator: Someone, told: Callable[..., int]
) -> None:
    number = told(*FOUND, paths=["home/anna"])
    for path in ("home/anna", "home/anna/docs"):
        assert ask(operator, pair, path=path).json["paths"] == ["home/anna"]
    for path in ("", "home", "home/annabel", "home/bert"):
        assert code(ask(operator, pair, path=path)) == (409, "diff_missing")
    assert ask(operator, pair, path="home/anna").json["job_id"] == number


@pytest.mark.parametrize(
    "values",
    [
        {"status": Status.FAILED, "expires_at": None},
        {"status": Status.RUNNING, "expires_at": None},
        {"expires_at": now() - timedelta(seconds=1)},
    ],
)
def test_what_is_not_there_is_missing(
    pair: tuple[int, int], operator: Someone, told: Callable[..., int], values: dict[str, Any]
) -> None:
    told(*FOUND, **values)
    assert code(ask(operator, pair)) == (409, "diff_missing")


def test_a_damaged_file_is_missing(
    config: Config, pair: tuple[int, int], operator: Someone, told: Callable[..., int]
) -> None:
    path = diffs.file_of(config, told(*FOUND))
    path.write_bytes(b"no database" * 1000)
    assert code(ask(operator, pair)) == (409, "diff_missing")
    assert not path.exists()


def test_questions_that_make_no_sense(pair: tuple[int, int], operator: Someone) -> None:
    foreign = add_archive(add_repository("other"), "x", 1)
    assert ask(operator, (pair[0], foreign)).status_code == 422
    assert code(ask(operator, (pair[0], 999))) == (404, "archive_not_found")
    for query in ({"change": "moved"}, {"path": "/etc"}, {"path": "a/.."}, {"path": "a\0"},
                  {"path": "x" * 5000}, {"contents": "perhaps"}, {"per_page": 10**6}):  # fmt: skip
        assert ask(operator, pair, **query).status_code == 422, query
    assert ask(operator, pair, contents="false", change="added").status_code == 422


# -- the pages -----------------------------------------------------------------------------------


def test_the_page_starts_it(
    redis: Redis, repository: int, pair: tuple[int, int], operator: Someone
) -> None:
    before = page(operator, repository, pair)
    assert "Compare contents" in before
    form = {"before": pair[0], "after": pair[1], "path_b64": to_b64("home/anna"), "once": "a"}
    answer = operator.browser("POST", f"/repositories/{repository}/compare", data=form)
    assert answer.status_code == 303
    assert "contents=1" in answer.location
    job = Session.query(Job).one()
    assert (job.kind, job.options["archive_id"], job.options["other_id"]) == ("diff", *pair)
    assert job.paths == ["home/anna"]
    number = job.id
    Session.remove()
    again = operator.browser(
        "POST", f"/repositories/{repository}/compare", data={**form, "once": "b"}
    )
    assert again.location == answer.location
    assert Session.query(Job).count() == 1
    follows = operator.browser("GET", answer.location).text
    assert f'href="/jobs/{number}"' in follows
    assert f'hx-get="/jobs/{number}/progress?was=pending"' in follows
    assert 'hx-select="#repository" hx-trigger="job-changed from:body"' in follows
    assert operator.browser("GET", f"/jobs/{number}").status_code == 200
    assert "Compare contents" in page(operator, repository, pair)  # nobody compares all of it


def test_the_page_shows_it(
    repository: int, pair: tuple[int, int], operator: Someone, told: Callable[..., int]
) -> None:
    number = told(*FOUND)
    shown = page(operator, repository, pair)
    assert "7 entries differ" in shown
    assert "-rw-r--r-- → -rwxr-xr-x" in shown
    assert "anna:anna → root:root" in shown
    assert "odd name" in shown
    assert "named pipe" in shown
    assert "3 further entries differ in times only" in shown
    part = operator.browser(
        "GET",
        f"/repositories/{repository}/compare/contents?before={pair[0]}&after={pair[1]}"
        "&path=home/bert&change=added",
    ).text
    assert part.lstrip().startswith('<section class="card" id="contents"')
    assert ("pipe" in part, "letter.odt" in part, 'title="x"' in part) == (True, False, False)
    assert "Nothing differs in this way" in page(operator, repository, pair, "&change=link")
    assert "7 entries differ" in page(operator, repository, pair, "&change=nonsense")
    assert "Show the differences" in operator.browser("GET", f"/jobs/{number}").text


def test_a_name_that_borg_did_not_show(
    config: Config,
    repository: int,
    pair: tuple[int, int],
    operator: Someone,
    told: Callable[..., int],
) -> None:
    path = diffs.file_of(config, told())
    with DiffWriter(path.with_suffix(".part"), is_exact=False) as writer:
        writer.add(Difference("home/caf?", frozenset({Change.CONTENT}), "file", 1, 1))
        writer.sort()
        writer.finish(path)
    (item,) = ask(operator, pair, path_b64=to_b64("home/caf\udce9")).json["items"]
    assert (item["path"], item["is_odd"], item["is_exact"]) == ("home/caf?", False, False)
    shown = page(operator, repository, pair)
    assert "odd name?" in shown
    assert "versions?path=home/caf" not in shown  # it may be another one


def test_a_page_of_many(
    repository: int, pair: tuple[int, int], operator: Someone, told: Callable[..., int]
) -> None:
    told(*(Difference(f"{n:04}", frozenset({Change.ADDED}), "file", n) for n in range(1001)))
    assert "1–200 of 1,001" in page(operator, repository, pair)
    last = page(operator, repository, pair, "&page=6")
    assert 'title="1000"' in last
    assert "1,001–1,001 of 1,001" in last


def test_the_page_of_equal_archives(
    repository: int, pair: tuple[int, int], operator: Someone, told: Callable[..., int]
) -> None:
    told()
    assert "Both archives hold the same." in page(operator, repository, pair)
    assert "Nothing differs in this folder." in page(operator, repository, pair, "&path=home")


def test_the_page_of_a_failure(
    repository: int, pair: tuple[int, int], operator: Someone, told: Callable[..., int]
) -> None:
    told(status=Status.FAILED, error_message="The passphrase is wrong.", expires_at=None)
    shown = page(operator, repository, pair)
    assert "The last comparison failed" in shown
    assert "The passphrase is wrong." in shown
    assert "Compare contents" in shown


def test_bad_ids(repository: int, pair: tuple[int, int], operator: Someone) -> None:
    foreign = add_archive(add_repository("other"), "x", 1)
    address = f"/repositories/{repository}/compare"
    for after in (foreign, 999, "x"):
        query = f"before={pair[0]}&after={after}&contents=1"
        assert operator.browser("GET", f"{address}/contents?{query}").status_code == 404
        form = {"before": pair[0], "after": after}
        assert operator.browser("POST", address, data=form).status_code == 404
    form = {"before": pair[0], "after": pair[1]}
    assert operator.browser("POST", "/repositories/999/compare", data=form).status_code == 404
    assert operator.browser("POST", address, data={**form, "after": pair[0]}).status_code == 422
    assert operator.browser("POST", address, data={**form, "path_b64": "!"}).status_code == 422
    assert Session.query(Job).count() == 0


def test_a_viewer_sees_no_paths(
    repository: int, pair: tuple[int, int], viewer: Someone, told: Callable[..., int]
) -> None:
    number = told(*FOUND, paths=["home/secret"])
    address = f"/repositories/{repository}/compare"
    query = f"before={pair[0]}&after={pair[1]}&contents=1"
    assert viewer.browser("GET", f"{address}?{query}").status_code == 403
    assert viewer.browser("GET", f"{address}/contents?{query}").status_code == 403
    assert viewer.browser("POST", address).status_code == 403
    assert ask(viewer, pair).status_code == 403
    assert viewer.api("POST", f"/api/archives/{pair[0]}/diff/{pair[1]}").status_code == 403
    assert "secret" not in viewer.browser("GET", f"/jobs/{number}").text
    job = viewer.api("GET", f"/api/jobs/{number}").json
    assert (job["paths"], job["paths_b64"], job["differences"]) == (None, None, 7)


# -- the end of the files ------------------------------------------------------------------------


def test_the_sweep(config: Config, pair: tuple[int, int], told: Callable[..., int]) -> None:
    good, old = told(*FOUND), told(*FOUND, expires_at=now() - timedelta(seconds=1))
    runs, failed = (told(status=each, expires_at=None) for each in (Status.RUNNING, Status.FAILED))
    for name in (f"{runs}.part", f"{failed}.part", "4711.db", "notes.txt"):
        (config.diffs / name).touch()
    assert diffs.sweep(Session(), config.diffs) == 4
    assert {path.name for path in config.diffs.iterdir()} == {f"{good}.db", f"{runs}.part"}
    assert old not in {good, runs}
