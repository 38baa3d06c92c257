"""Signing in and out, the first set-up, the tokens page."""

import re
import time
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from borgui.config import Config
from borgui.models import Session, SignIn, SystemSetting, Token, User, now, session
from borgui.models.session import engine
from borgui.security import people, setup_code, throttle
from borgui.security.access import safe_next
from borgui.security.accounts import set_account
from borgui.security.passwords import hash_password
from borgui.security.throttle import _network
from tests.valkey_server import RedisServer
from tests.web.world import PASSWORD, Someone, add_user, csrf_of, sign_in


def test_a_right_password_leads_to_the_dashboard(client: FlaskClient, app: Flask) -> None:
    add_user("ann", "viewer")
    answer = sign_in(client, "ann")
    assert answer.status_code == 303
    assert answer.location == "/"
    assert client.get("/").status_code == 200


def test_it_leads_to_where_one_wanted_to_go(client: FlaskClient, app: Flask) -> None:
    add_user("ann", "viewer")
    asked = client.get("/jobs?page=2")
    assert asked.status_code == 303
    form = {"csrf_token": csrf_of(client.get(asked.location)), "username": "ann"}
    query = asked.location.partition("?")[2]
    answer = client.post(f"/login?{query}", data={**form, "password": PASSWORD})
    assert answer.location == "/jobs?page=2"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\/evil.example",
        "/\t/evil.example",
        "/ /evil",
        "javascript:alert(1)",
        "evil.example",
        "",
        None,
        "/a\nb",
        "/..//host/",
        "/jobs/../../host",
        "/%2e%2E/host",
        "/.%2e//host",
        "/jobs//host/",
    ],
)
def test_next_never_leads_to_another_site(target: str | None) -> None:
    assert safe_next(target) is None


def test_next_may_be_any_path_here() -> None:
    for target in ("/jobs?page=2&kind=backup", "/archives/1?path=a//b/..", "/..."):
        assert safe_next(target) == target


@pytest.mark.parametrize(
    ("username", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("", "")]
)
def test_a_wrong_password_is_told_and_what_was_typed_stays(
    client: FlaskClient, app: Flask, username: str, password: str
) -> None:
    add_user("ann", "viewer")
    answer = sign_in(client, username, password)
    assert answer.status_code == 422
    assert "username or the password is wrong" in answer.text
    assert f'value="{username}"' in answer.text or not username
    assert client.get("/").status_code == 303


def test_an_unknown_name_takes_as_long_as_a_wrong_password(client: FlaskClient, app: Flask) -> None:
    number = add_user("ann", "viewer")
    user = Session.get(User, number)
    assert user
    user.password_hash = hash_password(PASSWORD)
    Session.commit()
    took = {}
    for name in ("warm-up", "ann", "nobody"):
        begun = time.process_time()  # what others do on this machine meanwhile is not counted
        client.post("/api/auth/login", json={"username": name, "password": "wrong password"})
        took[name] = time.process_time() - begun
    assert 0.4 < took["nobody"] / took["ann"] < 2.5


def test_signing_out_ends_the_session(viewer: Someone) -> None:
    assert viewer.browser("POST", "/logout").status_code == 303
    assert viewer.client.get("/").status_code == 303


def copy_of(someone: Someone) -> FlaskClient:
    """A browser with somebody's cookies."""
    copy = someone.app.test_client()
    assert someone.client._cookies
    copy._cookies = dict(someone.client._cookies)
    assert copy.get("/").status_code == 200
    return copy


def test_signing_out_ends_copies_of_the_session_and_no_other(viewer: Someone) -> None:
    elsewhere = viewer.app.test_client()
    sign_in(elsewhere, "viewer")
    copy = copy_of(viewer)
    viewer.browser("POST", "/logout")
    assert copy.get("/").status_code == 303
    assert elsewhere.get("/").status_code == 200
    assert viewer.api("GET", "/api/jobs").status_code == 200


def test_signing_in_anew_ends_the_session_before(viewer: Someone) -> None:
    copy = copy_of(viewer)
    form = {"csrf_token": viewer.csrf, "username": "viewer", "password": PASSWORD}
    assert viewer.client.post("/login", data=form).status_code == 303
    assert viewer.client.get("/").status_code == 200
    assert copy.get("/").status_code == 303


def test_a_session_ends_after_its_lifetime_and_is_then_forgotten(viewer: Someone) -> None:
    assert viewer.client.get("/").status_code == 200
    row = Session.scalars(select(SignIn)).one()
    row.expires_at = now() - timedelta(seconds=1)
    Session.commit()
    Session.remove()
    assert viewer.client.get("/").status_code == 303
    sign_in(viewer.app.test_client(), "viewer")
    assert Session.scalars(select(SignIn)).one().key != row.key


def test_the_browser_is_signed_out_though_the_database_cannot_be_written(
    viewer: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    csrf = viewer.csrf
    monkeypatch.setattr(session, "BUSY_SECONDS", 0.1)
    with engine().begin():  # another writer that does not end
        answer = viewer.client.post("/logout", headers={"X-CSRFToken": csrf})
        assert answer.status_code == 503
    assert viewer.client.get("/").status_code == 303


def test_what_another_process_changes_counts_within_a_moment(viewer: Someone) -> None:
    assert viewer.client.get("/settings").status_code == 403
    assert viewer.client.get("/").status_code == 200
    with engine().begin() as connection:  # past this process's own memory
        connection.exec_driver_sql("DELETE FROM sign_ins")
    time.sleep(people.KNOWN_SECONDS + 0.1)
    assert viewer.client.get("/").status_code == 303


def test_a_person_who_is_removed_is_signed_out(viewer: Someone) -> None:
    assert viewer.client.get("/").status_code == 200
    Session.execute(delete(User).where(User.id == viewer.id))
    Session.commit()
    assert viewer.client.get("/").status_code == 303
    assert viewer.api("GET", "/api/jobs").status_code == 401


def test_nothing_of_the_session_before_survives_a_sign_in(client: FlaskClient, app: Flask) -> None:
    add_user("ann", "viewer")
    before = csrf_of(client.get("/login"))
    sign_in(client, "ann")
    answer = client.post("/logout", headers={"X-CSRFToken": before})
    assert answer.status_code == 403


def test_a_form_without_its_token_signs_nobody_in(client: FlaskClient, app: Flask) -> None:
    add_user("ann", "viewer")
    client.get("/login")
    answer = client.post("/login", data={"username": "ann", "password": PASSWORD})
    assert answer.status_code == 403


@pytest.mark.parametrize("is_redis_away", [False, True])
def test_guessing_is_slowed_down(
    client: FlaskClient,
    app: Flask,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    is_redis_away: bool,
) -> None:
    from borgui import extensions

    monkeypatch.setattr(extensions.throttle, "local", throttle.Local())
    add_user("ann", "viewer")
    if is_redis_away:
        redis_server.stop()
    wrong = {"username": "ann", "password": "wrong password"}
    for _ in range(throttle.PAIR.limit):
        assert client.post("/api/auth/login", json=wrong).status_code == 401
    right = {"username": "ann", "password": PASSWORD}
    answer = client.post("/api/auth/login", json=right)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= throttle.PAIR.seconds
    page = sign_in(client, "ann")
    assert page.status_code == 429
    assert "Retry-After" in page.headers
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    assert client.post("/api/auth/login", json=right, **elsewhere).status_code == 200


def test_right_passwords_are_not_slowed_down(client: FlaskClient, app: Flask) -> None:
    add_user("ann", "viewer")
    right = {"username": "ann", "password": PASSWORD}
    codes = [client.post("/api/auth/login", json=right).status_code for _ in range(8)]
    assert codes == [200] * 8


def test_one_address_may_not_try_many_names(client: FlaskClient, app: Flask) -> None:
    codes = [
        client.post(
            "/api/auth/login", json={"username": f"name{number}", "password": "wrong password"}
        ).status_code
        for number in range(throttle.ADDRESS.limit + 1)
    ]
    assert codes == [401] * throttle.ADDRESS.limit + [429]


# --- the first set-up ---------------------------------------------------------------------------


def set_up_form(client: FlaskClient, right: str, **values: str) -> dict[str, str]:
    return {
        "csrf_token": csrf_of(client.get("/setup")),
        "code": right,
        "username": "root",
        "password": PASSWORD,
        "confirmation": PASSWORD,
        **values,
    }


@pytest.fixture
def code(app: Flask, config: Config) -> str:
    made = setup_code.ensure_first_admin(Session(), config)
    Session.remove()
    assert made
    return made


def test_the_first_visit_asks_for_the_code(client: FlaskClient, code: str) -> None:
    asked = client.get("/")
    assert client.get(asked.location).location == "/setup"
    answer = client.post("/setup", data=set_up_form(client, code.lower().replace("-", " ")))
    assert answer.status_code == 303
    assert client.get("/").status_code == 200
    assert [(user.username, user.role) for user in Session.query(User)] == [("root", "admin")]


def test_the_code_serves_once(client: FlaskClient, app: Flask, code: str) -> None:
    client.post("/setup", data=set_up_form(client, code))
    assert Session.get(SystemSetting, setup_code.KEY) is None
    Session.remove()
    other = app.test_client()
    form = {**set_up_form_of_login(other), "code": code, "username": "second"}
    assert other.post("/setup", data=form).location == "/login"
    assert Session.query(User).count() == 1


def set_up_form_of_login(client: FlaskClient) -> dict[str, str]:
    return {
        "csrf_token": csrf_of(client.get("/login")),
        "password": PASSWORD,
        "confirmation": PASSWORD,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code", "AAAA-BBBB-CCCC-DDDD"),
        ("code", ""),
        ("username", ""),
        ("username", "a\0b"),
        ("password", "short"),
        ("confirmation", "another one"),
    ],
)
def test_what_is_wrong_is_told_and_makes_nobody(
    client: FlaskClient, code: str, field: str, value: str
) -> None:
    answer = client.post("/setup", data=set_up_form(client, code, **{field: value}))
    assert answer.status_code == 422
    assert Session.query(User).count() == 0
    Session.remove()
    typed = value if field == "code" else code
    assert f'name="code" type="text" value="{typed}"' in answer.text
    if field == "code":
        assert client.post("/setup", data=set_up_form(client, code)).status_code == 303


def test_guessing_the_code_is_slowed_down(client: FlaskClient, code: str) -> None:
    codes = [
        client.post("/setup", data=set_up_form(client, "WRONG")).status_code
        for _ in range(throttle.PAIR.limit + 1)
    ]
    assert codes[-1] == 429


def test_the_code_is_kept_hashed(code: str) -> None:
    row = Session.get(SystemSetting, setup_code.KEY)
    assert row
    assert code not in str(row.value)
    assert re.fullmatch(r"[0-9a-f]{64}", row.value)


def test_each_start_prints_a_new_code_until_somebody_is_there(
    app: Flask, config: Config, code: str
) -> None:
    second = setup_code.ensure_first_admin(Session(), config)
    assert second not in {None, code}
    assert setup_code.claim(Session(), code, "x", PASSWORD) is None
    assert setup_code.claim(Session(), str(second), "x", PASSWORD)
    assert setup_code.ensure_first_admin(Session(), config) is None


def test_the_environment_may_bring_the_first_admin(app: Flask, client: FlaskClient) -> None:
    config = Config(data_dir=app.config["BORGUI"].data_dir, admin_password="from-env")
    assert setup_code.ensure_first_admin(Session(), config) is None
    assert setup_code.ensure_first_admin(Session(), config) is None
    Session.remove()
    assert sign_in(client, "admin", "from-env").status_code == 303


# --- the tokens page ----------------------------------------------------------------------------


def test_a_token_is_shown_once_and_opens_the_api(viewer: Someone) -> None:
    form = {"name": "script", "expires_days": "30", "csrf_token": viewer.csrf}
    page = viewer.client.post("/account/tokens", data=form)
    assert page.status_code == 200
    found = re.search(r"borgui_[\w-]{43}", page.text)
    assert found
    token = found[0]
    assert token not in viewer.client.get("/account/tokens").text
    viewer.token = token
    assert viewer.api("GET", "/api/jobs").status_code == 200
    rows = {row.name: row for row in Session.query(Token)}
    assert token not in rows["script"].digest
    assert rows["script"].expires_at is not None


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("", ""),
        ("x" * 151, ""),
        ("x", "0"),
        ("x", "many"),
        ("x", "9" * 30),
        ("x", "0000019999999999"),
        ("a\nb", ""),
    ],
)
def test_a_token_needs_a_name_and_a_sensible_end(viewer: Someone, name: str, days: str) -> None:
    form = {"name": name, "expires_days": days, "csrf_token": viewer.csrf}
    assert viewer.client.post("/account/tokens", data=form).status_code == 422


def test_nobody_deletes_the_token_of_another(viewer: Someone, operator: Someone) -> None:
    number = Session.query(Token.id).where(Token.user_id == operator.id).scalar()
    Session.remove()
    assert viewer.browser("POST", f"/account/tokens/{number}/delete").status_code == 404
    assert viewer.api("DELETE", f"/api/tokens/{number}").status_code == 404
    assert operator.browser("POST", f"/account/tokens/{number}/delete").status_code == 303
    assert operator.api("GET", "/api/jobs").status_code == 401


def test_a_new_password_ends_what_was_signed_in_with_the_old_one(viewer: Someone) -> None:
    given = {"username": "viewer", "password": PASSWORD}
    token = viewer.app.test_client().post("/api/auth/login", json=given).json["token"]
    assert viewer.client.get("/").status_code == 200
    said = set_account(Session(), "viewer", "another long password", None)
    assert viewer.client.get("/").status_code == 303
    assert said.endswith("API tokens that still open everything it may do: 1.")
    signed_in = {"Authorization": f"Bearer {token}"}
    assert viewer.app.test_client().get("/api/jobs", headers=signed_in).status_code == 401
    assert viewer.api("GET", "/api/jobs").status_code == 200


def test_an_ipv4_address_is_one_address_on_a_socket_for_both() -> None:
    assert _network("::ffff:203.0.113.7") == _network("203.0.113.7")
    assert _network("::ffff:203.0.113.7") != _network("::ffff:198.51.100.1")
    assert _network("2001:db8::1") == _network("2001:db8::2")
