"""Starting a restore: what is taken, what is refused, and who sees which names."""

import base64
from typing import Any

import pytest
from flask import Flask

from borgui.config import Config
from borgui.jobs.job import Job, Priority, Status
from borgui.jobs.restore import RestoreJob
from borgui.models import Session
from tests.web.world import Someone, add_archive, add_job, add_repository


@pytest.fixture
def archive(repository: int) -> int:
    return add_archive(repository)


def start(person: Someone, archive: int, **body: Any) -> Any:
    body = {"destination": "/srv/back", **body}
    body = {name: value for name, value in body.items() if value is not ...}
    return person.api("POST", f"/api/archives/{archive}/restore", json=body)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_start(operator: Someone, archive: int, repository: int) -> None:
    body = {"paths": ["home/a b", "home/c/"], "paths_b64": [b64(b"home/\xff")], "overwrite": True}
    answer = start(operator, archive, **body, strip_components=1)
    assert answer.status_code == 202, answer.text
    assert answer.json["status"] == "pending"
    job = operator.api("GET", f"/api/restore/jobs/{answer.json['job_id']}").json
    assert job["kind"] == "restore"
    assert (job["archive"], job["archive_id"]) == ("photos-1", archive)
    assert job["repository_id"] == repository
    assert (job["destination"], job["destination_b64"]) == ("/srv/back", b64(b"/srv/back"))
    assert job["paths"] == ["home/a b", "home/c", "home/\\xff"]
    assert [base64.b64decode(each) for each in job["paths_b64"]][2] == b"home/\xff"
    assert (job["overwrite"], job["dry_run"], job["strip_components"]) == (True, False, 1)
    assert (job["nfiles"], job["restored_size"], job["left_alone_count"]) == (None, None, None)
    assert job["priority"] == "high"
    place = answer.headers["Location"]
    assert operator.api("GET", place).json["destination"] == "/srv/back"


def test_defaults(operator: Someone, archive: int) -> None:
    answer = start(operator, archive, destination=..., destination_b64=b64(b"/srv/\xff"))
    job = operator.api("GET", f"/api/restore/jobs/{answer.json['job_id']}").json
    assert (job["overwrite"], job["dry_run"], job["strip_components"]) == (False, False, 0)
    assert (job["destination"], job["paths"]) == ("/srv/\\xff", [])
    assert base64.b64decode(job["destination_b64"]) == b"/srv/\xff"
    low = start(operator, archive, priority="low").json["job_id"]
    assert Session.get(Job, low).priority is Priority.LOW


def test_the_same_key_is_the_same_job(operator: Someone, archive: int) -> None:
    path, body = f"/api/archives/{archive}/restore", {"destination": "/x"}
    headers = {"Idempotency-Key": "mine"}
    first = operator.api("POST", path, json=body, headers=headers)
    again = operator.api("POST", path, json=body, headers=headers)
    assert first.json == again.json


LONG = "a/" * 2500


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"destination": ...}, "destination"),
        ({"destination": None}, "destination"),
        ({"destination": ""}, "destination"),
        ({"destination": "relative/folder"}, "destination"),
        ({"destination": "/srv/../etc"}, "destination"),
        ({"destination": "/srv/.."}, "destination"),
        ({"destination": "/srv/a\0b"}, "destination"),
        ({"destination": "/" + LONG}, "destination"),
        ({"destination": "/" + "ä" * 200}, "destination"),
        ({"destination": ["/srv"]}, "destination"),
        ({"destination_b64": b64(b"/srv")}, "destination"),
        ({"destination": ..., "destination_b64": "%%%"}, "destination_b64"),
        ({"destination": ..., "destination_b64": b64(b"srv")}, "destination_b64"),
        ({"destination": ..., "destination_b64": b64(b"/a\0b")}, "destination_b64"),
        ({"paths": "home"}, "paths"),
        ({"paths": [""]}, "paths"),
        ({"paths": ["/home"]}, "paths"),
        ({"paths": ["../etc/passwd"]}, "paths"),
        ({"paths": ["home/../etc"]}, "paths"),
        ({"paths": ["home//x"]}, "paths"),
        ({"paths": ["a\0b"]}, "paths"),
        ({"paths": [LONG]}, "paths"),
        ({"paths": ["a" * 256]}, "paths"),
        ({"paths": [7]}, "paths"),
        ({"paths": ["x"] * 1001}, "paths"),
        ({"paths": ["/".join(["y" * 200] * 15)] * 180}, "paths"),
        ({"paths_b64": ["hom"]}, "paths_b64"),
        ({"paths_b64": [b64(b"/etc")]}, "paths_b64"),
        ({"paths_b64": [b64(b"a/../../etc")]}, "paths_b64"),
        ({"paths_b64": [b64(b"a\0")]}, "paths_b64"),
        ({"strip_components": -1}, "strip_components"),
        ({"strip_components": "1"}, "strip_components"),
        ({"overwrite": "yes"}, "overwrite"),
        ({"dry_run": 1}, "dry_run"),
        ({"priority": "urgent"}, "priority"),
        ({"force": True}, "force"),
    ],
)
def test_what_is_refused(operator: Someone, archive: int, body: dict[str, Any], field: str) -> None:
    answer = start(operator, archive, **body)
    assert answer.status_code == 422, answer.text
    assert list(answer.json["error"]["fields"]) == [field]
    assert Session.query(RestoreJob).count() == 0


def test_never_into_our_own_data(operator: Someone, archive: int, config: Config) -> None:
    for place in (config.data_dir, config.data_dir / "x", "/srv/photos", "/srv/photos/data"):
        for spelled in (f"{place}", f"/{place}//", f"{place}/./"):
            answer = start(operator, archive, destination=spelled)
            assert answer.status_code == 422, spelled
            assert list(answer.json["error"]["fields"]) == ["destination"]
    for place in ("/", "/srv", "/srv/photos-2", f"{config.data_dir}-2"):
        assert start(operator, archive, destination=place).status_code == 202


def test_bad_ids(operator: Someone, archive: int) -> None:
    for wrong in (0, 99, 2**31, 2**70):
        assert start(operator, wrong).status_code == 404, wrong
        assert operator.api("GET", f"/api/restore/jobs/{wrong}").status_code == 404
    assert operator.api("POST", "/api/archives/x/restore", json={}).status_code == 404
    backup = add_job(status=Status.COMPLETED)
    assert operator.api("GET", f"/api/restore/jobs/{backup}").status_code == 404
    assert operator.api("GET", f"/api/archives/{archive}/restore").status_code == 405


def test_a_repository_that_is_not_ready(operator: Someone, app: Flask) -> None:
    number = add_archive(add_repository("broken", status="error"))
    answer = start(operator, number)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "repository_not_ready")


def test_a_viewer_may_not(viewer: Someone, archive: int) -> None:
    assert start(viewer, archive).status_code == 403


def test_a_viewer_sees_figures_and_no_names(
    viewer: Someone, operator: Someone, repository: int, archive: int
) -> None:
    job = add_job(
        RestoreJob,
        repository_id=repository,
        archive_id=archive,
        archive="photos-1",
        destination="/srv/secret-place",
        paths=["home/secret-name"],
        partial_file="/srv/secret-file",
        left_alone=["/srv/secret-left"],
        matched=["secret-match"],
        unmatched=["secret-miss"],
        nfiles=7,
        left_alone_count=1,
        status=Status.FAILED,
    )
    for path in (f"/api/restore/jobs/{job}", f"/api/jobs/{job}", "/api/jobs"):
        seen = viewer.api("GET", path)
        assert seen.status_code == 200
        assert "secret" not in seen.text
        assert "c2VjcmV0" not in seen.text
        one = seen.json["items"][0] if "items" in seen.json else seen.json
        assert (one["nfiles"], one["archive"], one["paths"]) == (7, "photos-1", None)
        told = operator.api("GET", path).text
        assert "secret-name" in told
        assert ("secret-left" in told) == ("items" not in seen.json)
