"""Roots that an admin has narrowed: settings, forms, API and the folder picker obey them."""

import json
import os
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from borgui import folders, live, queueing
from borgui.config import Config
from borgui.models import Repository, Session, read_settings
from borgui.models.setting import write_settings
from borgui.runner.quick import folder
from tests.web.world import Someone, add_archive, add_repository


def narrow(**roots: list[str]) -> None:
    write_settings(Session(), {f"{name}_roots": paths for name, paths in roots.items()})
    Session.commit()
    Session.remove()


def b64(path: bytes) -> str:
    return b64encode(path).decode()


def test_settings_take_and_answer_them(admin: Someone, viewer: Someone, operator: Someone) -> None:
    assert admin.api("GET", "/api/settings").json["source_roots"] == ["/"]
    given = {"source_roots": ["//home//anna/", "/home/anna", "/srv"], "restore_roots": ["/tmp"]}
    answer = admin.api("PUT", "/api/settings", json=given)
    assert answer.json["source_roots"] == ["/home/anna", "/srv"]
    assert operator.api("GET", "/api/settings").json["restore_roots"] == ["/tmp"]
    seen = viewer.api("GET", "/api/settings").json
    assert (seen["source_roots"], seen["restore_roots"]) == (None, None)
    assert operator.api("PUT", "/api/settings", json=given).status_code == 403


@pytest.mark.parametrize(
    "wrong", [[], ["home"], ["/a/../b"], ["/a\0"], [""], "/", [7], ["/\udcff"]]
)
def test_a_root_is_checked(admin: Someone, wrong: Any) -> None:
    answer = admin.api("PUT", "/api/settings", json={"restore_roots": wrong})
    assert answer.status_code == 422, answer.text
    assert "restore_roots" in answer.json["error"]["fields"]


def test_the_form_keeps_and_shows_them(admin: Someone) -> None:
    page = admin.browser("GET", "/settings").text
    form = {
        "timezone": "UTC",
        "log_retention_jobs": "100",
        "retry_limit": "3",
        "retry_delay_seconds": "60",
        "backup_time_limit_hours": "0",
        "backup_limit": "0",
        "auto_index_idle_seconds": "60",
        "download_hours": "24",
        "source_roots": "/home\r\n\r\n/srv/data\r\n",
        "restore_roots": "/",
    }
    assert 'id="source_roots"' in page
    assert admin.browser("POST", "/settings", data=form).status_code == 303
    assert read_settings(Session()).source_roots == ("/home", "/srv/data")
    assert "\n/home\n/srv/data</textarea>" in admin.browser("GET", "/settings").text
    wrong = admin.browser("POST", "/settings", data={**form, "restore_roots": "srv"})
    assert wrong.status_code == 422
    assert "\nsrv</textarea>" in wrong.text
    assert 'href="#restore_roots"' in wrong.text
    assert read_settings(Session()).source_roots == ("/home", "/srv/data")


def body(**more: Any) -> dict[str, Any]:
    return {"name": "new", "path": "/srv/new", "passphrase": "x", **more}


@pytest.mark.parametrize(
    "sources",
    [
        {"source_directories": ["/home/bob"]},
        {"source_directories": ["/home/anna/../bob"]},
        {"source_directories": ["/home/anna", "/"]},
        {"source_directories": ["/home/annabel"]},
        {"source_directories_b64": [b64(b"/home/\xff")]},
    ],
)
def test_sources_lie_in_them(admin: Someone, sources: dict[str, Any]) -> None:
    narrow(source=["/home/anna"])
    answer = admin.api("POST", "/api/repositories", json=body(**sources))
    assert answer.status_code == 422
    assert "/home/anna" in answer.json["error"]["fields"]["source_directories"]
    assert Session.query(Repository).count() == 0
    number = add_repository("old", source_directories=["/elsewhere"])
    assert admin.api("PUT", f"/api/repositories/{number}", json=sources).status_code == 422
    assert admin.api("PUT", f"/api/repositories/{number}", json={"name": "x"}).status_code == 200
    inside = {"source_directories_b64": [b64(b"/home/anna/\xff")]}
    assert admin.api("PUT", f"/api/repositories/{number}", json=inside).status_code == 200


ANNA = "home/anna/a.txt"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"destination": "/home/anna"}, 202),
        ({"destination": "/home/anna/../bob"}, 422),
        ({"destination": "/home/annabel"}, 422),
        ({"destination": "/"}, 422),
        ({"destination_b64": b64(b"/srv/\xff")}, 422),
        ({"destination_b64": b64(b"/home/anna/\xff")}, 202),
        ({"destination": "/", "paths": [ANNA]}, 202),
        ({"destination": "/", "paths": [ANNA, "home/bob"]}, 422),
        ({"destination": "/", "paths": [ANNA], "strip_components": 1}, 422),
        ({"destination": "/home", "paths": ["anna/x"]}, 202),
        ({"destination": "/home", "paths": ["anna/x"], "strip_components": 2}, 422),
        ({"destination": "/", "paths": ["home/ann?/x"]}, 422),
        ({"destination": "/", "paths": ["home/anna/?"], "dry_run": True}, 202),
        ({"destination": "/", "paths_b64": [b64(b"home/ann\xff")]}, 422),
    ],
)
def test_restores_stay_in_them(
    operator: Someone, app: Flask, repository: int, given: dict[str, Any], status: int
) -> None:
    narrow(restore=["/home/anna"])
    archive = add_archive(repository)
    answer = operator.api("POST", f"/api/archives/{archive}/restore", json=given)
    assert answer.status_code == status, answer.text
    if status == 422:
        assert list(answer.json["error"]["fields"]) == ["destination"]


def test_the_form_says_it_at_the_destination(operator: Someone, repository: int) -> None:
    narrow(restore=["/home/anna"])
    archive = add_archive(repository)
    answer = operator.browser("POST", f"/archives/{archive}/restore", data={"to": "original"})
    assert answer.status_code == 422
    assert "lies outside of what an admin has left open: /home/anna" in answer.text
    form = operator.browser("GET", f"/archives/{archive}/restore").text
    assert 'left open: <span class="mono wrap">/home/anna</span>.' in form


def asked(redis_url: str) -> list[Any]:
    """The arguments of the last question to the quick worker."""
    connection = queueing.connect(redis_url)
    call_id = connection.lindex("rq:queue:local-quick", -1).decode()
    call = queueing.Call.fetch(call_id, connection=connection, serializer=queueing.JSONSerializer)
    return json.loads(json.dumps(call.args))[1:]


@pytest.mark.parametrize(
    ("role", "query", "start", "roots"),
    [
        ("operator", "into=destination", "/out", ["/out"]),
        ("operator", "into=path", "/out", ["/out"]),
        ("operator", "into=source_directories", "/out", ["/out"]),
        ("operator", "into=destination&path=/out/x", "/out/x", ["/out"]),
        ("operator", "into=destination&path=/etc", "/out", ["/out"]),
        ("operator", "into=destination&path=/out/../etc", "/out", ["/out"]),
        ("admin", "into=source_directories", "/", ["/home", "/srv"]),
        ("admin", "into=source_directories&path=/home/x", "/home/x", ["/home", "/srv"]),
        ("admin", "into=path", "/", ["/"]),
    ],
)
def test_the_picker_begins_in_them(
    request: pytest.FixtureRequest,
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
    query: str,
    start: str,
    roots: list[str],
) -> None:
    monkeypatch.setattr(folders, "PATIENCE", 0.01)
    narrow(source=["/home", "/srv"], restore=["/out"])
    person: Someone = request.getfixturevalue(role)
    person.browser("GET", f"/folders?{query}")
    redis_url = app.config["BORGUI"].redis_url
    assert asked(redis_url) == [b64(start.encode()), True, roots]


@pytest.mark.parametrize(
    ("role", "query", "roots"),
    [
        ("operator", "", ["/out"]),
        ("operator", "purpose=destination", ["/out"]),
        ("operator", "purpose=source", None),
        ("operator", "purpose=repository", None),
        ("admin", "", ["/"]),
        ("admin", "purpose=source", ["/home", "/srv"]),
        ("admin", "purpose=destination", ["/out"]),
    ],
)
def test_the_api_lists_within_them(
    request: pytest.FixtureRequest,
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
    query: str,
    roots: list[str] | None,
) -> None:
    monkeypatch.setattr(folders, "PATIENCE", 0.01)
    narrow(source=["/home", "/srv"], restore=["/out"])
    person: Someone = request.getfixturevalue(role)
    answer = person.api("GET", f"/api/folders?{query}")
    assert answer.status_code == (403 if roots is None else 504)
    if roots is not None:
        assert asked(app.config["BORGUI"].redis_url)[2] == roots
    assert person.api("GET", "/api/folders?purpose=x").status_code == 422


def test_the_picker_takes_only_what_lies_in_them(
    admin: Someone, config: Config, tmp_path: Path
) -> None:
    """Above several roots it shows the way, which is none to be taken."""
    roots = [tmp_path / name for name in ("one", "two")]
    for each in (*roots, tmp_path / "three"):
        each.mkdir()
    narrow(source=[str(each) for each in roots])
    assert admin.csrf  # signs in, which takes its time

    def quick_worker() -> None:
        connection = queueing.connect(str(config.redis_url), timeout=5)
        call_id = connection.blpop(["rq:queue:local-quick"], timeout=5)[1].decode()
        call = queueing.Call.fetch(
            call_id, connection=connection, serializer=queueing.JSONSerializer
        )
        request, path, folders_only, given = call.args
        found = folder(path, config.data_dir, folders_only, tuple(given))
        live.answer(live.connect(str(config.redis_url)), request, found)

    def picker(path: Path | None = None, /, **query: str) -> str:
        worker = threading.Thread(target=quick_worker)
        worker.start()
        query |= {"into": "source_directories"}
        if path is not None:
            query["path_b64"] = b64(os.fsencode(path))
        found = admin.browser("GET", "/folders", query_string=query).text
        worker.join()
        return found

    above = picker(tmp_path)
    assert [name for name in ("one", "two", "three") if f">{name}<" in above] == ["one", "two"]
    assert 'role="status"><span class="path"' in above, "where one has come to is read out"
    assert " disabled>Choose this folder" in above
    assert " disabled>Choose this folder" not in picker(roots[0])
    assert "lies outside of" in picker(tmp_path / "three")
    (roots[0] / "blank ").mkdir()  # the blank would be lost in a field without lines
    assert [" data-odd" in picker(each) for each in (roots[0], roots[0] / "blank ")] == [
        False,
        True,
    ]
    (typed := roots[1] / "a\u2028b").mkdir()
    assert f'data-b64="{b64(os.fsencode(typed))}"' in picker(path=f"/elsewhere\r\n{typed}")
