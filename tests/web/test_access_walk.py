"""Every route of the URL map, tried as everybody."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from borgui import create_app, folders
from borgui.config import Config
from borgui.jobs.job import Status
from borgui.security import access
from borgui.security.permissions import Permission, Role, allows
from tests.web.world import Someone, add_job, add_repository

FORM_BODY = {"confirm": "no such name"}
"""Answers no form rightly, so that nothing a walk meets is deleted."""


def calls(app: Flask) -> Iterator[tuple[str, str, str]]:
    """(endpoint, method, path) of every rule and method, with ids that exist."""
    for rule in app.url_map.iter_rules():
        # of tokens none: the walk would saw off its own branch
        values = {name: "999" if name == "token_id" else "1" for name in rule.arguments}
        if rule.endpoint == "static":
            values = {"filename": "brand.svg"}
        path = app.url_map.bind("localhost").build(rule.endpoint, values)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule.endpoint, method, path


def is_refusal(status: int) -> bool:
    return status in {401, 403}


@pytest.fixture
def rows(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository and a job with id 1 each; nobody waits long for a worker that is not there."""
    monkeypatch.setattr(folders, "PATIENCE", 0.05)
    number = add_repository("photos")
    add_job(repository_id=number, status=Status.COMPLETED)


def test_every_route_states_its_permission(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert {name for name in endpoints if access.permission_of(name) is None} == set()


def test_a_route_that_states_nothing_keeps_the_application_from_starting(config: Config) -> None:
    app = create_app(config)
    app.add_url_rule("/forgotten", "forgotten", lambda: "")
    with pytest.raises(LookupError, match="forgotten"):
        access.check_complete(app)


def test_nobody_gets_in_without_signing_in(app: Flask, rows: None) -> None:
    client = app.test_client()
    for endpoint, method, path in calls(app):
        answer = client.open(path, buffered=True, method=method)
        if access.permission_of(endpoint) is Permission.PUBLIC:
            assert not (is_refusal(answer.status_code) and method == "GET"), (method, path)
        elif path.startswith("/api/"):
            assert answer.status_code == 401, (method, path)
            assert answer.json["error"]["code"] == "not_signed_in"
        else:
            assert answer.status_code == 303, (method, path)
            assert "/login" in answer.location


def test_a_wrong_token_opens_nothing(app: Flask, rows: None) -> None:
    client = app.test_client()
    for endpoint, method, path in calls(app):
        if access.permission_of(endpoint) is Permission.PUBLIC:
            continue
        answer = client.open(
            path, buffered=True, method=method, headers={"Authorization": "Bearer nonsense"}
        )
        assert answer.status_code == 401, (method, path)


def test_a_wrong_token_is_not_mended_by_a_session(app: Flask, rows: None, admin: Someone) -> None:
    for endpoint, method, path in calls(app):
        if access.permission_of(endpoint) is Permission.PUBLIC:
            continue
        answer = admin.browser(method, path, headers={"Authorization": "Bearer nonsense"})
        assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("way", ["session", "token"])
def test_each_role_may_what_the_table_says(
    app: Flask, rows: None, someone: Callable[[str], Someone], role: Role, way: str
) -> None:
    person = someone(role)
    call = person.browser if way == "session" else person.api
    # what ends a session or a row comes last, so that it is there for the others
    for endpoint, method, path in sorted(
        calls(app), key=lambda each: ("sign_out" in each[0], "DELETE" in each, each)
    ):
        wanted = access.permission_of(endpoint)
        if wanted is None or wanted is Permission.PUBLIC:
            continue
        options = {"data": FORM_BODY} if not path.startswith("/api") and method == "POST" else {}
        answer = call(method, path, **options)
        allowed = allows(role, wanted)
        assert (answer.status_code == 403) == (not allowed), (role, method, path, answer.text)
        assert answer.status_code not in {401, 500}, (role, method, path, answer.text)


def test_a_session_needs_its_csrf_token_for_what_changes(
    app: Flask, rows: None, admin: Someone
) -> None:
    for endpoint, method, path in calls(app):
        if method == "GET" or endpoint == "api.login":
            continue
        for wrong in ({}, {"X-CSRFToken": "nonsense"}):
            answer = admin.client.open(path, buffered=True, method=method, headers=wrong)
            assert answer.status_code == 403, (method, path)
            if path.startswith("/api/"):
                assert answer.json["error"]["code"] == "csrf_failed"


def test_a_token_needs_no_csrf(admin: Someone) -> None:
    assert admin.api("POST", "/api/tokens", json={"name": "x"}).status_code == 201
