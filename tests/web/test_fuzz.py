"""No request, however broken, is answered 500."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from borgui import folders
from borgui.jobs.job import Status
from borgui.models import Session
from tests.web.world import Someone, add_job, add_repository

EXAMPLES = 120

numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30]),
    st.floats(allow_nan=True),
)
texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["\0", "\ud800", "a" * 5000, "../..", "{now}", "::", "é\udcff", "'; DROP"]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
FIELDS = [
    "repository_id",
    "priority",
    "name",
    "path",
    "path_b64",
    "encryption",
    "passphrase",
    "source_directories",
    "source_directories_b64",
    "exclude_patterns",
    "compression",
    "mode",
    "key",
    "extra_flags",
    "username",
    "password",
    "archive_name_template",
    "exclude_if_present",
    "expires_days",
    "timezone",
    "retry_limit",
    "accept_unencrypted",
]
bodies = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=5).map(
        lambda body: json.dumps(body).encode()
    ),
    values.map(lambda body: json.dumps(body).encode()),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"[" * 20_000,
            b'{"a":' * 20_000,
            b'{"name":"a","name":"b"}',
            b'{"repository_id":' + b"9" * 5000 + b"}",
            b'\xff\xfe{"a":1}',
            b"\xef\xbb\xbf{}",
            b'{"name":"\\ud800"}',
            b"null",
            b"NaN",
            b'{"repository_id": 1e400}',
        ]
    ),
)
types = st.sampled_from(
    [
        "application/json",
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        "\x80/\xff",
    ]
)
queries = st.one_of(
    st.just(""),
    st.text(alphabet="abc=&%0123456789\x7f+é;/?", max_size=30),
    st.sampled_from(
        [
            "page=99999999999999999999",
            "page=-1&per_page=0",
            "page=1&page=2",
            "offset=9223372036854775808",
            "offset=%00",
            "follow=false&offset=1e9",
            "repository_id=99999999999999999999",
            "status=%ff%fe",
            "kind=%00",
            "path=%00",
            "path=..&sort=colour",
            "q=%00",
            "q=*[*&after=9999-12-31T23:59:59-14:00",
            "path_b64=AA==",
            "path_b64=%ff",
            "seen=1,2,99999999999999999999999",
            "keep=1&seen=99999999999999999999",
            "seen=" + "1," * 500,
            "next=//evil",
            "of=99999999999999999999",
            "delete_data=maybe",
        ]
    ),
)
headers = st.sampled_from(
    [
        {},
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "x" * 500},
        {"Idempotency-Key": "é\xff"},
        {"HX-Request": "true"},
        {"Host": "a b"},
        {"Host": "[::1"},
        {"Cookie": "borgui_zone=%00; borgui_theme=\xff; session=;;;"},
        {"X-Forwarded-For": "\xff"},
        {"Range": "bytes=5-1"},
        {"If-None-Match": '"\xff'},
        {"Accept": "\xff/\xff"},
    ]
)
pieces = st.sampled_from(
    ["", "1", "%00", "%ff", "%ed%a0%80", "a" * 3000, "/srv/a", "%0a/x", "photos", "lz4", "on", "-1"]
)
forms = st.lists(
    st.tuples(
        st.sampled_from(
            [*FIELDS, "confirm", "code", "confirmation", "delete_data", "once", "next"]
        ),
        pieces,
    ),
    max_size=8,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode())
ids = st.sampled_from(
    [
        *["1"] * 8,
        "2",
        "0",
        "-1",
        "99999999999",
        "9" * 50,
        "x",
        "%00",
        "%ff",
        "١",
        "1.0",
        "1%2f..",
        "",
    ]
)


@pytest.fixture
def call(
    app: Flask, someone: Callable[[str], Someone], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    monkeypatch.setattr(folders, "PATIENCE", 0.01)
    number = add_repository("photos")
    add_job(repository_id=number, status=Status.FAILED)
    Session.remove()
    return someone("admin").api


def paths(app: Flask) -> list[tuple[str, str]]:
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint in {"static", "account.sign_out"}:
            continue
        path = "".join(
            "{}" if is_dynamic else part
            for is_dynamic, part in ((dynamic, text) for dynamic, text in rule._trace[1:])
        ).replace("|", "")
        found += [(method, path) for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}]
    return sorted(found)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_request_is_answered_500(
    app: Flask, call: Callable[..., Any], data: st.DataObject
) -> None:
    method, path = data.draw(st.sampled_from(paths(app)))
    if data.draw(st.integers(0, 9)) == 0:
        method = data.draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "X"]))
    path = path.replace("{}", data.draw(ids))
    options: dict[str, Any] = {"headers": data.draw(headers)}
    if method not in {"GET", "TRACE"}:
        if path.startswith("/api/") or data.draw(st.booleans()):
            options |= {"data": data.draw(bodies), "content_type": data.draw(types)}
        else:
            form = "application/x-www-form-urlencoded"
            options |= {"data": data.draw(forms), "content_type": form}
    answer = call(method, f"{path}?{data.draw(queries)}", **options)
    assert answer.status_code < 500 or answer.status_code in {503, 504}, answer.text
    if answer.status_code >= 400 and path.startswith("/api/") and method != "HEAD":
        error = answer.json["error"]
        assert error["code"]
        assert error["message"]
        assert ("fields" in error) == (answer.status_code == 422)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"[" * 100_000, "application/json", 400),
        (b'{"name":"a","name":"b"}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"name": NaN}', "application/json", 400),
        (b"[]", "application/json", 422),
        (b'"x"', "application/json", 422),
        (b"", "application/json", 422),
        (b'{"name":"\\ud800"}', "application/json", 422),
        (b'{"name":"a\\u0000"}', "application/json", 422),
        (b'{"name":"a"}', "text/plain", 415),
        (b"name=a", "application/x-www-form-urlencoded", 415),
        (b'{"name":"' + b"a" * 2_000_000 + b'"}', "application/json", 413),
        (b'{"nam":"a"}', "application/json", 422),
    ],
)
def test_a_broken_body_is_refused_in_words(
    call: Callable[..., Any], body: bytes, kind: str, status: int
) -> None:
    answer = call("POST", "/api/tokens", data=body, content_type=kind)
    assert answer.status_code == status
    assert answer.json["error"]["message"].endswith(".")


def test_a_number_no_row_can_have_is_not_found(call: Callable[..., Any]) -> None:
    for number in (0, 2**31, 2**63, 10**40):
        assert call("GET", f"/api/jobs/{number}").status_code == 404
        assert call("GET", f"/api/repositories/{number}").status_code == 404
    for number in (2**31, 2**63, 10**40):
        answer = call("POST", "/api/backup/run", json={"repository_id": number})
        assert answer.status_code == 422
        assert "repository_id" in answer.json["error"]["fields"]
