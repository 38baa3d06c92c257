"""What every answer carries, and how the application lives behind a proxy."""

import re
import sqlite3
import threading
import time
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from borgui import LARGEST_BODY, create_app, extensions
from borgui.config import Config
from borgui.models import Session, Token
from borgui.security import tokens
from borgui.web.headers import POLICY
from tests.valkey_server import RedisServer
from tests.web.world import Someone, add_job, add_user, sign_in


@pytest.mark.parametrize(
    "path", ["/login", "/api/jobs", "/static/brand.svg", "/nowhere", "/health"]
)
def test_every_answer_carries_the_headers(client: FlaskClient, app: Flask, path: str) -> None:
    headers = client.get(path, buffered=True).headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "unsafe" not in POLICY
    assert "Strict-Transport-Security" not in headers


def test_no_page_holds_inline_script_or_style(admin: Someone, repository: int) -> None:
    add_job(repository_id=repository)
    pages = ["/", "/repositories", "/repositories/new", f"/repositories/{repository}", "/jobs"]
    pages += ["/jobs/1", "/settings", "/account/tokens", "/api/docs", "/nowhere"]
    for path in pages:
        text = admin.client.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), path


def test_what_is_private_is_not_kept_by_caches(viewer: Someone) -> None:
    assert viewer.client.get("/").headers["Cache-Control"] == "no-store"
    assert viewer.api("GET", "/api/jobs").headers["Cache-Control"] == "no-store"


def test_a_file_whose_path_names_its_version_is_kept(client: FlaskClient, app: Flask) -> None:
    versioned = client.get("/static/vendor/htmx-4.0.1/htmx.min.js", buffered=True)
    assert "31536000" in versioned.headers["Cache-Control"]
    own = client.get("/static/brand.svg", buffered=True)
    assert "31536000" not in own.headers["Cache-Control"]


def test_a_file_whose_address_names_its_content_is_kept(client: FlaskClient, app: Flask) -> None:
    add_user("ann", "viewer")
    found = re.search(r'"(/static/css/[^"]+\?v=([0-9a-f]+))"', client.get("/login").text)
    assert found
    kept = client.get(found[1], buffered=True)
    assert "31536000" in kept.headers["Cache-Control"]
    for other in (found[1].replace(found[2], "0" * 10), found[1].partition("?")[0]):
        fresh = client.get(other, buffered=True)
        assert fresh.status_code == 200
        assert "31536000" not in fresh.headers["Cache-Control"]
    for wrong in ("/static/nothing.css?v=1", "/static/../borgui/config.py?v=1", "/static/css?v=1"):
        assert client.get(wrong, buffered=True).status_code == 404, wrong


def test_the_cookie_is_closed(client: FlaskClient, app: Flask) -> None:
    add_user("ann", "viewer")
    cookie = client.get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/;" in f"{cookie};"
    assert "Secure" not in cookie
    by_https = app.test_client().get("/login", base_url="https://localhost")
    assert "Secure" in by_https.headers["Set-Cookie"]


def test_two_installations_on_one_host_have_two_cookies(app: Flask, config: Config) -> None:
    other = replace(config, data_dir=config.data_dir.with_name("other"))
    name = create_app(other).config["SESSION_COOKIE_NAME"]
    assert name != app.config["SESSION_COOKIE_NAME"]


def test_a_large_body_is_refused(admin: Someone) -> None:
    answer = admin.api("POST", "/api/tokens", data=b"x" * (LARGEST_BODY + 1))
    assert answer.status_code == 413
    assert answer.json["error"]["code"] == "too_large"


def test_an_unknown_address_is_json_under_api_and_a_page_elsewhere(admin: Someone) -> None:
    assert admin.api("GET", "/api/nothing").json["error"]["code"] == "not_found"
    assert admin.api("PATCH", "/api/jobs").json["error"]["code"] == "method_not_allowed"
    assert "GET" in admin.api("PATCH", "/api/jobs").headers["Allow"]
    assert "<html" in admin.client.get("/nothing").text
    assert "<html" not in admin.client.get("/nothing", headers={"HX-Request": "true"}).text


def test_htmx_is_sent_to_the_sign_in_page_by_its_own_header(
    client: FlaskClient, app: Flask
) -> None:
    answer = client.get("/jobs/active", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login"


# --- proxies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_stripped", [False, True])
def test_it_lives_below_a_prefix(config: Config, app: Flask, is_stripped: bool) -> None:
    below = create_app(replace(config, url_prefix="/backup"))
    add_user("ann", "admin")
    client = below.test_client()
    path = "" if is_stripped else "/backup"
    cookie_of = client.get(f"{path}/login")
    assert 'action="/backup/login"' in cookie_of.text
    assert "Path=/backup/;" in f"{cookie_of.headers['Set-Cookie']};"
    asked = client.get(f"{path}/jobs")
    assert asked.location == "/backup/login?next=/jobs"
    body = {"username": "ann", "password": "correct horse battery"}
    token = client.post(f"{path}/api/auth/login", json=body).json["token"]
    made = client.post(
        f"{path}/api/tokens", json={"name": "x"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert made.location == f"/backup/api/tokens/{made.json['id']}"
    assert client.get(f"{path}/api/nothing").json["error"]["code"] == "not_found"


FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Port": "444",
    "Forwarded": "host=evil.example;proto=https",
}


def test_forwarding_headers_are_not_believed_unasked(client: FlaskClient, app: Flask) -> None:
    add_user("ann", "viewer")
    answer = client.get("/jobs", headers=FORGED)
    assert answer.location == "/login?next=/jobs"
    page = client.get("/login", headers=FORGED)
    assert "evil" not in page.text
    assert "Secure" not in page.headers["Set-Cookie"]


def test_forwarding_headers_are_believed_from_as_many_proxies_as_there_are(
    config: Config, app: Flask
) -> None:
    add_user("ann", "viewer")
    seen = []
    behind = create_app(replace(config, trusted_proxies=1))
    behind.before_request(lambda: seen.append(_seen()))
    forwarded = {
        "X-Forwarded-For": "198.51.100.1, 203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "backup.example",
        "X-Forwarded-Prefix": "/b",  # a client's own, as far as anybody knows
    }
    page = behind.test_client().get("/login", headers=forwarded)
    assert seen == [("203.0.113.9", "https", "backup.example")]
    assert "Secure" in page.headers["Set-Cookie"]
    assert "Path=/;" in f"{page.headers['Set-Cookie']};"
    assert page.headers["Strict-Transport-Security"]


def _seen() -> tuple[str | None, str, str]:
    from flask import request

    return request.remote_addr, request.scheme, request.host


# --- what is away -------------------------------------------------------------------------------


def test_without_redis_pages_show_and_actions_are_refused(
    admin: Someone, operator: Someone, repository: int, redis_server: RedisServer
) -> None:
    redis_server.stop()
    for path in ("/", "/jobs", f"/repositories/{repository}"):
        assert admin.client.get(path).status_code == 200, path
    assert operator.api("GET", "/api/jobs").status_code == 200
    answer = operator.api("POST", "/api/backup/run", json={"repository_id": repository})
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "queue_unavailable"
    assert operator.api("GET", "/api/jobs").json["total"] == 0


def test_a_locked_database_is_503_for_who_writes_and_nothing_for_who_reads(
    admin: Someone, app: Flask, config: Config
) -> None:
    assert admin.client.get("/jobs").status_code == 200
    engine = Session.get_bind()
    assert isinstance(engine, Engine)
    Session.remove()
    engine.dispose()
    from sqlalchemy import event

    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout=100"))
    other = sqlite3.connect(config.data_dir / "borgui.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert admin.api("GET", "/api/jobs").status_code == 200
        assert admin.client.get("/jobs").status_code == 200
        answer = admin.api("POST", "/api/tokens", json={"name": "x"})
        assert answer.status_code == 503
        assert answer.json["error"]["code"] == "database_unavailable"
        assert answer.headers["Retry-After"]
    finally:
        other.close()
    assert admin.api("POST", "/api/tokens", json={"name": "x"}).status_code == 201


def test_the_use_of_a_token_is_noted_at_most_once_a_minute(viewer: Someone) -> None:
    def used() -> object:
        found = Session.query(Token.last_used_at).where(Token.user_id == viewer.id).scalar()
        Session.remove()
        return found

    assert used() is None
    viewer.api("GET", "/api/jobs")
    first = used()
    assert first is not None
    viewer.api("GET", "/api/jobs")
    assert used() == first


def test_of_many_requests_at_once_one_tries_to_note_the_use_of_their_token(
    config: Config,
    viewer: Someone,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "TRY_SECONDS", 60.0)  # however slow the machine is
    caplog.set_level("INFO", "borgui.security")
    other = sqlite3.connect(config.data_dir / "borgui.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        for _ in range(5):
            assert viewer.api("GET", "/api/jobs").status_code == 200
    finally:
        other.close()
    assert caplog.text.count("was not noted: database is locked") == 1


def test_an_expired_token_opens_nothing(viewer: Someone) -> None:
    from datetime import timedelta

    from borgui.models import now

    Session.query(Token).update({"expires_at": now() - timedelta(seconds=1)})
    Session.commit()
    Session.remove()
    assert viewer.api("GET", "/api/jobs").status_code == 401


def test_a_fault_of_ours_is_logged_with_the_reference_that_is_shown(
    app: Flask,
    client: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(app.view_functions, "health.show", lambda: 1 / 0)
    answer = client.get("/health")
    assert answer.status_code == 500
    assert answer.json["error"]["reference"] in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_signing_in_twice_in_one_browser_is_no_mistake(client: FlaskClient, app: Flask) -> None:
    add_user("ann", "viewer")
    sign_in(client, "ann")
    assert client.get("/login").status_code == 303


def test_who_starts_something_has_a_turn_until_its_request_ends(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extensions, "TURN_SECONDS", 30)
    begun, ended = threading.Event(), threading.Event()
    order: list[str] = []

    def second() -> None:
        with app.test_request_context("/"):
            begun.set()
            extensions.queue_redis()
            order.append("second")
        ended.set()

    with app.test_request_context("/"):
        extensions.queue_redis()
        extensions.queue_redis()  # its own turn is no hindrance
        threading.Thread(target=second, daemon=True).start()
        assert begun.wait(10)
        assert not ended.wait(0.3)
        order.append("first")
    assert ended.wait(10)
    assert order == ["first", "second"]


def test_nobody_waits_long_for_a_turn(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "TURN_SECONDS", 0.05)
    done = threading.Event()

    def second() -> None:
        with app.test_request_context("/"):
            extensions.queue_redis()
        done.set()

    with app.test_request_context("/"):
        extensions.queue_redis()
        threading.Thread(target=second, daemon=True).start()
        assert done.wait(10)


def test_a_turn_ends_with_a_request_that_fails(
    operator: Someone, repository: int, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next would wait for it in vain."""
    monkeypatch.setattr(extensions, "TURN_SECONDS", 20)
    began = time.monotonic()
    wrong = [{"repository_id": 999}, {"repository_id": repository, "priority": "no"}]
    for body in (*wrong, {"repository_id": repository}):
        answer = operator.api("POST", "/api/backup/run", json=body)
    assert answer.status_code == 202
    redis_server.stop()
    assert operator.api("POST", "/api/backup/run", json=body).status_code == 503
    redis_server.start()
    assert operator.api("POST", "/api/backup/run", json=body).status_code == 202
    assert time.monotonic() - began < extensions.TURN_SECONDS
