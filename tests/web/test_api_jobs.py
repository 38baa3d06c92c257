"""Starting, seeing, cancelling and repeating jobs; settings, tokens, folders, the description."""

import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from borgui import live, queueing
from borgui.api.answers import JobAnswer, JobDetail, ListOf, NewToken, Started, TokenAnswer
from borgui.config import Config
from borgui.jobs import KINDS
from borgui.jobs.job import Job, Status
from borgui.models import Session, Settings, now
from borgui.settings import SettingsChange
from tests.valkey_server import RedisServer
from tests.web.world import Someone, add_job, add_repository

JSON = "application/json"
FIELDS = [
    "id",
    "kind",
    "status",
    "repository_id",
    "machine",
    "trigger",
    "scheduled_job_id",
    "parent_id",
    "retry_of",
    "priority",
    "progress_percent",
    "progress_message",
    "current_file",
    "created_at",
    "started_at",
    "completed_at",
    "error_code",
    "error_message",
    "warning_count",
    "exit_code",
    "process_pid",
    "process_start_time",
]
BACKUP_FIELDS = [
    "archive_name",
    "nfiles",
    "original_size",
    "compressed_size",
    "deduplicated_size",
    "backup_speed",
    "eta_seconds",
]


def start(person: Someone, repository: int, **values: Any) -> Any:
    return person.api("POST", "/api/backup/run", json={"repository_id": repository, **values})


# --- start --------------------------------------------------------------------------------------


def test_a_start_answers_202_and_where_the_job_is(
    operator: Someone, repository: int, redis: Redis
) -> None:
    answer = start(operator, repository, priority="high")
    assert answer.status_code == 202
    Started.model_validate(answer.json)
    assert answer.json["status"] == "pending"
    job = operator.api("GET", answer.location).json
    assert job["id"] == answer.json["job_id"]
    assert (job["kind"], job["priority"], job["trigger"]) == ("backup", "high", "manual")
    assert redis.llen("rq:queue:control") == 1


def test_a_job_answers_all_its_fields(operator: Someone, repository: int) -> None:
    number = start(operator, repository).json["job_id"]
    for path in (f"/api/jobs/{number}", f"/api/backup/jobs/{number}"):
        job = operator.api("GET", path).json
        JobDetail.model_validate(job)
        assert set(job) >= {*FIELDS, *BACKUP_FIELDS}
        assert job["progress_percent"] is None
        assert job["nfiles"] is None
        assert job["created_at"].endswith("Z")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"repository_id": "1"}, 422),
        ({"repository_id": True}, 422),
        ({"repository_id": 1.5}, 422),
        ({"repository_id": 0}, 422),
        ({"repository_id": 99}, 404),
        ({"repository_id": 1, "priority": "urgent"}, 422),
        ({"repository_id": 1, "priority": None}, 422),
        ({"repository_id": 1, "options": {}}, 422),
    ],
)
def test_a_wrong_start_starts_nothing(
    operator: Someone, repository: int, body: Any, status: int
) -> None:
    answer = operator.api("POST", "/api/backup/run", json=body)
    assert answer.status_code == status, answer.text
    assert Session.query(Job).count() == 0


def test_a_repository_that_is_not_ready_is_a_conflict(operator: Someone) -> None:
    number = add_repository("new", status="pending")
    answer = start(operator, number)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "repository_not_ready")


def test_the_same_key_within_a_day_answers_the_same_job(
    operator: Someone, admin: Someone, repository: int
) -> None:
    key = {"headers": {"Idempotency-Key": "key-1"}, "json": {"repository_id": repository}}
    first = operator.api("POST", "/api/backup/run", **key).json["job_id"]
    assert operator.api("POST", "/api/backup/run", **key).json["job_id"] == first
    assert admin.api("POST", "/api/backup/run", **key).json["job_id"] != first
    other = operator.api(
        "POST", f"/api/repositories/{repository}/refresh", headers={"Idempotency-Key": "key-1"}
    )
    assert (other.status_code, other.json["error"]["code"]) == (409, "key_used")
    long = operator.api("POST", "/api/backup/run", headers={"Idempotency-Key": "x" * 129})
    assert long.status_code == 422


def test_a_viewer_starts_nothing(viewer: Someone, repository: int) -> None:
    assert start(viewer, repository).status_code == 403


def test_a_refresh_needs_no_body(operator: Someone, repository: int) -> None:
    answer = operator.api("POST", f"/api/repositories/{repository}/refresh")
    assert answer.status_code == 202
    assert operator.api("GET", answer.location).json["kind"] == "refresh"


def test_a_lock_is_not_broken_beside_a_job(
    admin: Someone, operator: Someone, repository: int
) -> None:
    address = f"/api/repositories/{repository}/break-lock"
    assert operator.api("POST", address).status_code == 403
    job = add_job(repository_id=repository, status=Status.RUNNING)
    answer = admin.api("POST", address)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "repository_busy")
    Session.query(Job).where(Job.id == job).update({"status": Status.COMPLETED})
    Session.commit()
    assert admin.api("POST", address).status_code == 202


def test_every_kinds_routes_are_served(app: Flask) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert {f"/api{route.rule}" for kind in KINDS for route in kind.routes} <= rules


# --- see ----------------------------------------------------------------------------------------


def test_a_running_job_shows_what_redis_knows(
    operator: Someone, viewer: Someone, repository: int, redis: Redis
) -> None:
    number = add_job(repository_id=repository, status=Status.RUNNING, attempt=2)
    progress = {
        "attempt": 2,
        "progress_percent": 41.5,
        "current_file": "home/ann/diary.txt",
        "nfiles": 7,
        "backup_speed": 12.5,
        "warning_count": 1,
        "pid": 4711,
    }
    redis.hset(live.job_key(number), mapping=live.encode(progress))
    job = operator.api("GET", f"/api/jobs/{number}").json
    assert job["progress_percent"] == 41.5
    assert job["current_file"] == "home/ann/diary.txt"
    assert (job["nfiles"], job["backup_speed"], job["process_pid"]) == (7, 12.5, 4711)
    assert job["original_size"] is None
    listed = operator.api("GET", "/api/jobs").json["items"][0]
    assert listed["nfiles"] == 7
    redis.hset(live.job_key(number), "attempt", "1")
    assert operator.api("GET", f"/api/jobs/{number}").json["nfiles"] is None


def test_an_ended_job_shows_its_row_alone(operator: Someone, redis: Redis) -> None:
    number = add_job(status=Status.COMPLETED, attempt=1, progress_percent=100.0)
    redis.hset(live.job_key(number), mapping=live.encode({"attempt": 1, "progress_percent": 3}))
    assert operator.api("GET", f"/api/jobs/{number}").json["progress_percent"] == 100.0


def test_a_viewer_gets_no_file_names(viewer: Someone, operator: Someone, redis: Redis) -> None:
    number = add_job(
        status=Status.RUNNING,
        attempt=1,
        command="borg create /home/hush",
        warnings=[{"path": "/home/hush", "message": "no", "msgid": None}],
    )
    redis.hset(live.job_key(number), mapping={"attempt": "1", "current_file": "home/hush"})
    for path in (f"/api/jobs/{number}", f"/api/backup/jobs/{number}", "/api/jobs"):
        assert "hush" not in viewer.api("GET", path).text, path
    assert "hush" in operator.api("GET", f"/api/jobs/{number}").text
    for path in (f"/jobs/{number}", f"/jobs/{number}/progress", "/jobs", "/", "/jobs/active"):
        assert "hush" not in viewer.client.get(path).text, path
    for path in (f"/api/jobs/{number}/log", f"/api/backup/logs/{number}"):
        assert viewer.api("GET", path).status_code == 403


def test_jobs_are_filtered_and_paged_newest_first(operator: Someone, repository: int) -> None:
    backups = [add_job(repository_id=repository, status=Status.FAILED) for _ in range(3)]
    other = add_job(kind="refresh", status=Status.COMPLETED)

    def ids(query: str) -> list[int]:
        answer = operator.api("GET", f"/api/jobs?{query}")
        assert answer.status_code == 200, answer.text
        ListOf[JobAnswer].model_validate(answer.json)
        return [each["id"] for each in answer.json["items"]]

    assert ids("") == [other, *reversed(backups)]
    assert ids("kind=refresh") == [other]
    assert ids("status=failed&per_page=2") == [backups[2], backups[1]]
    assert ids("status=failed&per_page=2&page=2") == [backups[0]]
    assert ids(f"repository_id={repository}") == [*reversed(backups)]
    assert ids("page=1000000") == []
    for wrong in ("kind=nothing", "status=done", "repository_id=x", "order=id"):
        assert operator.api("GET", f"/api/jobs?{wrong}").status_code == 422, wrong


def test_a_list_costs_the_same_number_of_queries_however_long_it_is(
    operator: Someone, count_queries: Callable[[], list[str]]
) -> None:
    for _ in range(3):
        add_job(status=Status.COMPLETED)
    operator.api("GET", "/api/jobs")
    statements = count_queries()
    operator.api("GET", "/api/jobs")
    few = len(statements)
    for _ in range(20):
        add_job(status=Status.COMPLETED)
    statements.clear()
    operator.api("GET", "/api/jobs")
    assert len(statements) == few, statements


@pytest.fixture
def count_queries(app: Flask) -> Callable[[], list[str]]:
    from sqlalchemy import Engine, event

    def begin() -> list[str]:
        statements: list[str] = []
        engine = Session.get_bind()
        assert isinstance(engine, Engine)
        event.listen(engine, "before_cursor_execute", lambda *each: statements.append(str(each[2])))
        return statements

    return begin


def test_another_kinds_address_does_not_show_a_job(operator: Someone) -> None:
    number = add_job(kind="refresh")
    assert operator.api("GET", f"/api/jobs/{number}").status_code == 200
    answer = operator.api("GET", f"/api/backup/jobs/{number}")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "job_not_found")


# --- cancel and retry ---------------------------------------------------------------------------


def test_a_waiting_job_is_cancelled_at_once(operator: Someone, repository: int) -> None:
    number = start(operator, repository).json["job_id"]
    answer = operator.api("POST", f"/api/jobs/{number}/cancel")
    assert answer.status_code == 202
    assert answer.json["status"] == "cancelled"
    again = operator.api("POST", f"/api/jobs/{number}/cancel")
    assert (again.status_code, again.json["error"]["code"]) == (409, "job_ended")


def test_a_running_job_is_asked_to_end(operator: Someone, redis: Redis) -> None:
    number = add_job(status=Status.RUNNING, attempt=1, admitted_at=now())
    answer = operator.api("POST", f"/api/jobs/{number}/cancel", json={})
    assert answer.status_code == 202
    assert answer.json["status"] == "running"
    assert answer.json["cancel_requested_at"].endswith("Z")
    assert live.is_cancelled(redis.get(live.cancel_key(number)), 1)


def test_a_failed_job_is_repeated_as_one_that_names_its_origin(
    operator: Someone, repository: int
) -> None:
    number = add_job(repository_id=repository, status=Status.FAILED)
    key = {"headers": {"Idempotency-Key": "once"}}
    answer = operator.api("POST", f"/api/jobs/{number}/retry", **key)
    assert answer.status_code == 202
    new = operator.api("GET", answer.location).json
    assert (new["retry_of"], new["trigger"], new["kind"]) == (number, "retry", "backup")
    assert operator.api("POST", f"/api/jobs/{number}/retry", **key).json == answer.json
    done = add_job(repository_id=repository, status=Status.COMPLETED)
    assert operator.api("POST", f"/api/jobs/{done}/retry").status_code == 409


def test_who_may_not_start_a_kind_may_not_cancel_or_repeat_it(
    operator: Someone, repository: int
) -> None:
    number = add_job(kind="delete_repository", repository_id=repository, status=Status.FAILED)
    assert operator.api("POST", f"/api/jobs/{number}/retry").status_code == 403
    assert operator.api("POST", f"/api/jobs/{number}/cancel").status_code == 403


def test_without_redis_nothing_is_started_or_half_done(
    operator: Someone, repository: int, redis_server: RedisServer
) -> None:
    number = add_job(repository_id=repository, status=Status.FAILED)
    redis_server.stop()
    calls = ("/api/backup/run", f"/api/jobs/{number}/retry", f"/api/jobs/{number}/cancel")
    for path in calls:
        body = {"repository_id": repository} if "run" in path else {}
        answer = operator.api("POST", path, json=body)
        assert (answer.status_code, answer.json["error"]["code"]) == (503, "queue_unavailable")
    assert Session.query(Job).count() == 1


def test_what_is_committed_is_answered_202_though_redis_then_fails(
    operator: Someone, repository: int, redis: Redis
) -> None:
    """It answers, but takes nothing any more; control's sweep finds the rows."""
    redis.config_set("maxmemory", "1")
    try:
        answer = start(operator, repository)
        running = add_job(repository_id=repository, status=Status.RUNNING, attempt=1)
        cancelled = operator.api("POST", f"/api/jobs/{running}/cancel")
    finally:
        redis.config_set("maxmemory", "0")
    assert (answer.status_code, cancelled.status_code) == (202, 202)
    assert Session.get_one(Job, answer.json["job_id"]).status == Status.PENDING
    assert Session.get_one(Job, running).cancel_requested_at is not None


# --- the rest -----------------------------------------------------------------------------------


def test_health_says_what_is_missing(client: FlaskClient, app: Flask, redis: Redis) -> None:
    assert client.get("/health").json == {
        "status": "degraded",
        "database": "ok",
        "redis": "ok",
        "workers": 0,
        "scheduler": "missing",
        "control": "missing",
        "version": "0.1.0",
    }
    assert client.get("/health").status_code == 503
    assert client.get("/health?live=1").status_code == 200
    live.beat(redis, "scheduler", 20)
    live.beat(redis, "control", 20)
    redis.hset(live.machine_key("local"), mapping={"workers": "2"})
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json == {
        "status": "ok",
        "database": "ok",
        "redis": "ok",
        "workers": 2,
        "scheduler": "ok",
        "version": "0.1.0",
    }


def test_health_never_fails(client: FlaskClient, app: Flask, redis_server: RedisServer) -> None:
    redis_server.stop()
    Session.connection().exec_driver_sql("DROP TABLE users")
    Session.commit()
    Session.remove()
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json["database"] == answer.json["redis"] == "unavailable"
    assert client.get("/health?live=1").status_code == 200


def test_settings_have_one_list_of_names() -> None:
    from dataclasses import fields

    assert {field.name for field in fields(Settings)} == set(SettingsChange.model_fields)


def test_an_admin_changes_settings(admin: Someone, viewer: Someone) -> None:
    before = viewer.api("GET", "/api/settings").json
    answer = admin.api("PUT", "/api/settings", json={"timezone": "Europe/Berlin"})
    everything = {"source_roots": ["/"], "restore_roots": ["/"]}
    assert answer.json == {**before, **everything, "timezone": "Europe/Berlin"}
    roots = dict.fromkeys(("source_roots", "restore_roots"))
    assert viewer.api("GET", "/api/settings").json == {**answer.json, **roots}
    assert viewer.api("PUT", "/api/settings", json={}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"timezone": "Mars/Base"},
        {"timezone": "../etc/passwd"},
        {"retry_limit": -1},
        {"retry_limit": "3"},
        {"retry_limit": 10**30},
        {"log_retention_jobs": 0},
        {"setup_code": "x"},
    ],
)
def test_a_setting_is_checked(admin: Someone, body: Any) -> None:
    answer = admin.api("PUT", "/api/settings", json=body)
    assert answer.status_code == 422
    assert next(iter(body)) in answer.json["error"]["fields"]


def test_tokens_of_ones_own(viewer: Someone) -> None:
    made = viewer.api("POST", "/api/tokens", json={"name": "script", "expires_days": 2})
    assert made.status_code == 201
    NewToken.model_validate(made.json)
    listed = viewer.api("GET", "/api/tokens")
    ListOf[TokenAnswer].model_validate(listed.json)
    assert made.json["token"] not in listed.text
    assert listed.json["total"] == 2
    viewer.token = made.json["token"]
    assert viewer.api("DELETE", f"/api/tokens/{made.json['id']}").status_code == 204
    assert viewer.api("GET", "/api/tokens").status_code == 401


def test_a_sign_in_gives_a_token_that_ends(client: FlaskClient, viewer: Someone) -> None:
    body = {"username": "viewer", "password": "correct horse battery"}
    answer = client.post("/api/auth/login", json=body)
    assert answer.status_code == 200
    assert set(answer.json) == {"token", "expires_at"}
    assert "Set-Cookie" not in answer.headers
    viewer.token = answer.json["token"]
    assert viewer.api("GET", "/api/jobs").status_code == 200


def test_a_nul_is_refused_before_any_row_is_asked(client: FlaskClient, app: Flask) -> None:
    body = {"username": "a\0b", "password": "correct horse battery"}
    answer = client.post("/api/auth/login", json=body)
    assert answer.status_code == 422
    assert "username" in answer.json["error"]["fields"]


def test_a_folder_is_asked_of_the_machines_quick_worker(
    operator: Someone, config: Config, redis_server: RedisServer
) -> None:
    told = {
        "path": "/srv",
        "path_b64": "L3Nydg==",
        "parent_b64": "Lw==",
        "entries": [],
        "truncated": False,
        "error": None,
    }

    def quick_worker() -> None:
        connection = queueing.connect(redis_server.url, timeout=5)
        name = connection.blpop(["rq:queue:local-quick"], timeout=5)[1].decode()
        call = queueing.Call.fetch(name, connection=connection, serializer=queueing.JSONSerializer)
        assert call.func_name == queueing.LIST_FOLDER
        assert call.args[1] == "L3Nydg=="
        live.answer(live.connect(redis_server.url), call.args[0], told)

    worker = threading.Thread(target=quick_worker)
    worker.start()
    answer = operator.api("GET", "/api/folders?path=/srv")
    worker.join()
    assert (answer.status_code, answer.json) == (200, told)


def test_a_silent_machine_is_504(operator: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    from borgui import folders

    monkeypatch.setattr(folders, "PATIENCE", 0.1)
    answer = operator.api("GET", "/api/folders?path=/srv")
    assert (answer.status_code, answer.json["error"]["code"]) == (504, "machine_silent")
    for wrong in ("path=srv", "path_b64=%3D%3D", "path=/a&path_b64=Lw==", "machine=a/b"):
        assert operator.api("GET", f"/api/folders?{wrong}").status_code == 422, wrong


def test_the_description_names_every_call_and_no_page(admin: Someone, app: Flask) -> None:
    found = admin.api("GET", "/api/openapi.json").json
    assert found["openapi"].startswith("3.")
    described = {
        (method.upper(), path) for path, calls in found["paths"].items() for method in calls
    }
    from borgui.api.openapi import calls

    with app.app_context():
        shown = {(call["method"], call["path"]) for call in calls()}
    assert described == shown
    served = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/api/", "/health"))
        and rule.endpoint not in {"api.docs", "api.openapi"}
    }
    assert len(described) == len(served)
    assert ("GET", "/health") in described
    body = found["paths"]["/api/backup/run"]["post"]["requestBody"]
    assert "repository_id" in str(body) or "$ref" in str(body)
    assert "/jobs/{job_id}" not in found["paths"]


def test_the_description_says_all_that_may_be_answered(admin: Someone) -> None:
    found = admin.api("GET", "/api/openapi.json").json
    names = found["components"]["schemas"]
    assert [each for each in names if not re.fullmatch(r"[A-Za-z0-9._-]+", each)] == []
    calls = {
        call["operationId"]: call for each in found["paths"].values() for call in each.values()
    }
    answers = {
        "archive_index": {"200", "202"},
        "download_file": {"200", "410"},
        "folders": {"200", "504"},
        "health.show": {"200", "503"},
        "repository_forget": {"202", "204"},
    }
    for name, statuses in answers.items():
        assert statuses <= set(calls[name]["responses"]), name
    for name in ("job_log", "backup_log"):
        assert list(calls[name]["responses"]["200"]["content"]) == ["text/plain"]
    keyed = {
        name
        for name, call in calls.items()
        if any(each["name"] == "Idempotency-Key" for each in call["parameters"])
    }
    assert keyed >= {"backup_start", "repositories_create", "job_retry", "archive_index"}
    assert "settings_change" not in keyed
    needed = {name for name, call in calls.items() if call.get("requestBody", {}).get("required")}
    assert "backup_start" in needed
    assert not needed & {"refresh_start", "job_cancel", "job_retry"}


def test_the_description_is_a_page_too(viewer: Someone) -> None:
    page = viewer.client.get("/api/docs")
    assert page.status_code == 200
    assert "POST /api/backup/run" in page.text


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/auth/login"), ("PUT", "/api/repositories/1"), ("PUT", "/api/archives/1")],
)
def test_half_a_character_is_no_text(admin: Someone, method: str, path: str) -> None:
    """JSON can spell a lone surrogate, which nothing behind it can hash, seal or hand to borg."""
    for name in ("username", "key", "comment", "exclude_patterns"):
        value = ["\ud800"] if name.endswith("s") else "\ud800"
        answer = admin.api(method, path, data=json.dumps({name: value}), content_type=JSON)
        assert answer.status_code in {404, 422}, (path, name, answer.text)
    both = {"username": "admin", "password": "\ud800"}
    answer = admin.api("POST", "/api/auth/login", data=json.dumps(both), content_type=JSON)
    assert answer.status_code == 422


def test_a_form_is_no_json_for_a_session_either(admin: Someone) -> None:
    answer = admin.browser("PUT", "/api/settings", data={"retry_limit": "5"})
    assert (answer.status_code, answer.json["error"]["code"]) == (415, "not_json")


def test_a_delete_reads_its_body(admin: Someone, repository: int) -> None:
    answer = admin.api("DELETE", f"/api/repositories/{repository}", json={"delete_data": True})
    assert answer.status_code == 422
    assert admin.api("GET", f"/api/repositories/{repository}").status_code == 200
    token = admin.api("GET", "/api/tokens").json["items"][0]
    assert admin.api("DELETE", f"/api/tokens/{token['id']}", json={"x": 1}).status_code == 422
    assert admin.api("GET", f"/api/tokens/{token['id']}").json == token


def test_a_key_that_was_used_starts_nothing_else(admin: Someone, repository: int) -> None:
    key = {"Idempotency-Key": "K"}
    first = admin.api("POST", "/api/backup/run", json={"repository_id": repository}, headers=key)
    assert first.status_code == 202
    other = add_repository("music")
    new = {"name": "new", "path": "/srv/new", "encryption": "none"}
    tries = [
        ("POST", "/api/backup/run", {"repository_id": other}),
        ("POST", f"/api/repositories/{repository}/refresh", {}),
        ("DELETE", f"/api/repositories/{other}?delete_data=true", {}),
        ("POST", "/api/repositories", new),
    ]
    for method, path, body in tries:
        answer = admin.api(method, path, json=body, headers=key)
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "key_used"), path
    job = add_job(repository_id=repository, status=Status.FAILED)
    answer = admin.api("POST", f"/api/jobs/{job}/retry", headers=key)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "key_used")


def test_no_machine_but_this_one(admin: Someone) -> None:
    answer = admin.api("GET", "/api/folders?machine=nowhere&path=/")
    assert (answer.status_code, list(answer.json["error"]["fields"])) == (422, ["machine"])
    new = {"name": "new", "path": "/srv/new", "encryption": "none", "machine": "nowhere"}
    answer = admin.api("POST", "/api/repositories", json=new)
    assert (answer.status_code, list(answer.json["error"]["fields"])) == (422, ["machine"])
