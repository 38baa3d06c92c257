"""``/api/repositories``."""

import base64
import os
from typing import Any

import pytest
from flask import Flask

from borgui.api.answers import ArchiveAnswer, ListOf, NewRepository, RepositoryAnswer
from borgui.config import Config
from borgui.jobs.job import Job, Status
from borgui.models import Archive, Repository, Session, now
from tests.web.world import Someone, add_job, add_repository

NEW = {
    "name": "photos",
    "path": "/srv/borg/photos",
    "encryption": "repokey-blake2",
    "passphrase": "correct horse",
    "source_directories": ["/home/ann"],
}


def create(person: Someone, **values: Any) -> Any:
    body = {**NEW, **values}
    return person.api("POST", "/api/repositories", json={k: v for k, v in body.items() if v != ...})


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_a_new_repository_starts_its_init(admin: Someone) -> None:
    answer = create(admin, exclude_patterns=["*.tmp"], compression="zstd,3")
    assert answer.status_code == 201, answer.text
    NewRepository.model_validate(answer.json)
    assert answer.json["status"] == "pending"
    assert answer.json["compression"] == "zstd,3"
    assert answer.location == f"/api/repositories/{answer.json['id']}"
    job = admin.api("GET", f"/api/jobs/{answer.json['job_id']}").json
    assert (job["kind"], job["status"], job["repository_id"]) == (
        "init",
        "pending",
        answer.json["id"],
    )


def test_an_import_takes_no_encryption_and_may_bring_a_key(admin: Someone) -> None:
    answer = create(admin, mode="import", encryption=..., key="BORG_KEY 00", accept_relocated=True)
    assert answer.status_code == 201, answer.text
    assert answer.json["encryption"] is None
    assert answer.json["accept_relocated"] is True
    job = admin.api("GET", f"/api/jobs/{answer.json['job_id']}").json
    assert job["kind"] == "import"


def test_no_secret_is_ever_answered(admin: Someone) -> None:
    made = create(admin, passphrase="Hush-Hush-1", mode="import", key="KEYFILE-TEXT")
    number = made.json["id"]
    changed = admin.api("PUT", f"/api/repositories/{number}", json={"passphrase": "Hush-Hush-2"})
    assert changed.status_code == 200
    pages = [
        made,
        changed,
        admin.api("GET", f"/api/repositories/{number}"),
        admin.api("GET", "/api/repositories"),
        admin.api("GET", f"/api/jobs/{made.json['job_id']}"),
        admin.client.get(f"/repositories/{number}"),
        admin.client.get(f"/repositories/{number}/settings"),
    ]
    for page in pages:
        assert "Hush-Hush" not in page.text
        assert "KEYFILE-TEXT" not in page.text
    raw = Session.connection().exec_driver_sql("SELECT passphrase, key FROM repositories").one()
    assert "Hush" not in str(raw)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 151),
        ("name", 7),
        ("name", ...),
        ("path", "relative/path"),
        ("path", "/srv/{now}"),
        ("path", "/srv/a\0b"),
        ("path", "/"),
        ("path", ""),
        ("path", ...),
        ("path_b64", "not base64"),
        ("encryption", "rot13"),
        ("passphrase", ...),
        ("passphrase", ""),
        ("passphrase", "two\nlines"),
        ("compression", "zip"),
        ("compression", "zstd,99"),
        ("extra_flags", "--read-special"),
        ("extra_flags", '--comment "open'),
        ("archive_name_template", "always-the-same"),
        ("archive_name_template", "{nonsense}-{now}"),
        ("source_directories", "/home"),
        ("source_directories", ["home/ann"]),
        ("source_directories", [""]),
        ("source_directories", ["/srv/borg"]),
        ("source_directories", ["/"]),
        ("source_directories", ["/srv/borg/photos"]),
        ("source_directories", ["/srv/borg/photos/data"]),
        ("exclude_patterns", ["re:(unclosed"]),
        ("exclude_patterns", [""]),
        ("exclude_patterns", ["two\nlines"]),
        ("exclude_if_present", ["a/b"]),
        ("mode", "adopt"),
        ("machine", "a b"),
        ("key", "BORG_KEY 00"),
        ("accept_unencrypted", "yes"),
        ("colour", "red"),
    ],
)
def test_what_is_wrong_is_told_by_field(admin: Someone, field: str, value: Any) -> None:
    answer = create(admin, **{field: value})
    assert answer.status_code == 422, answer.text
    fields = answer.json["error"]["fields"]
    assert field in fields or field == "path_b64"
    assert all(text.endswith((".", "photos")) for text in fields.values()), fields
    assert Session.query(Repository).count() == 0
    assert Session.query(Job).count() == 0


NAME_TOO_LONG = "A name in a path may have at most 255 bytes."


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/srv/" + "é" * 128, NAME_TOO_LONG),
        ("/srv" + "/" + "n" * 256 + "/repo", NAME_TOO_LONG),
        ("/name" * 819 + "/", "A path may have at most 4095 bytes."),
    ],
)
def test_a_path_that_linux_could_not_hold_is_refused(
    admin: Someone, path: str, sentence: str
) -> None:
    raw = b64(path.encode())
    for field, value in (
        ("path", {"path": path}),
        ("path_b64", {"path": ..., "path_b64": raw}),
        ("source_directories", {"source_directories": ["/home", path]}),
        ("source_directories_b64", {"source_directories": ..., "source_directories_b64": [raw]}),
    ):
        answer = create(admin, **value)
        assert (answer.status_code, answer.json["error"]["fields"]) == (422, {field: sentence})


def test_the_longest_path_is_taken(admin: Someone) -> None:
    longest = "/n" + f"/{'é' * 127}n" * 15 + "/" + "n" * 252
    assert len(longest.encode()) == 4095
    assert create(admin, path=longest).status_code == 201


def test_a_relative_source_is_told_as_such(admin: Someone) -> None:
    fields = create(admin, source_directories=["home/ann"]).json["error"]["fields"]
    assert fields == {"source_directories": "home/ann must be absolute."}
    number = create(admin).json["id"]
    change = {"source_directories": ["home/ann"]}
    answer = admin.api("PUT", f"/api/repositories/{number}", json=change)
    assert answer.json["error"]["fields"] == fields


def test_a_source_may_hold_the_repository_when_it_is_excluded(admin: Someone) -> None:
    sources = {"source_directories": ["/srv"]}
    assert create(admin, **sources).status_code == 422
    assert create(admin, **sources, exclude_patterns=["pp:/srv/borg"]).status_code == 201


def test_a_mode_without_a_key_takes_no_passphrase(admin: Someone) -> None:
    assert create(admin, encryption="none").status_code == 422
    answer = create(admin, encryption="none", passphrase=...)
    assert answer.status_code == 201
    assert answer.json["accept_unencrypted"] is True


def test_the_data_folder_is_no_place_for_a_repository(admin: Someone, config: Config) -> None:
    for path in (config.data_dir, config.data_dir / "borg" / "x"):
        answer = create(admin, path=str(path))
        assert answer.status_code == 422
        assert "data folder" in answer.json["error"]["fields"]["path"]


def test_a_repository_may_lie_at_any_local_path(admin: Someone) -> None:
    for number, path in enumerate((b"/srv/\xff", b"/srv/::\xff: ")):
        answer = create(admin, name=f"{number}", path=..., path_b64=b64(path))
        assert answer.status_code == 201, answer.text
        assert answer.json["path_b64"] == b64(path)
        twin = create(admin, name="twin", path=..., path_b64=b64(b"//srv/./" + path[5:]))
        assert (twin.status_code, twin.json["error"]["code"]) == (409, "path_taken")
    answer = create(admin, path=..., path_b64=b64(b"ssh://host/\xff"))
    assert answer.status_code == 422
    assert "On a server" in answer.json["error"]["fields"]["path"]


def test_a_repository_that_cannot_be_typed_can_be_excluded(admin: Someone) -> None:
    """By the pattern that the fault itself names."""
    given = {"path": ..., "path_b64": b64(b"/srv/[b]\xff\n"), "source_directories": ["/srv"]}
    fault = create(admin, **given).json["error"]["fields"]["source_directories"]
    pattern = fault.rpartition("Exclude it: ")[2].removesuffix(".")
    assert pattern == "sh:/srv/?b]??"
    assert create(admin, **given, exclude_patterns=[pattern]).status_code == 201


def test_a_source_may_be_any_bytes(admin: Someone) -> None:
    odd, source = b"/srv/b \n'", b"/home/\xe9t\xe9"
    answer = create(
        admin,
        path=...,
        path_b64=b64(odd),
        source_directories=...,
        source_directories_b64=[b64(source)],
    )
    assert answer.status_code == 201, answer.text
    assert base64.b64decode(answer.json["path_b64"]) == odd
    assert answer.json["path"] == "/srv/b \\x0a'"
    assert answer.json["source_directories"] == ["/home/\\xe9t\\xe9"]
    assert answer.json["source_directories_b64"] == [b64(source)]
    row = Session.get(Repository, answer.json["id"])
    assert row
    assert os.fsencode(row.path) == odd


def test_a_path_is_given_once(admin: Someone) -> None:
    assert create(admin, path_b64=b64(b"/srv/other")).status_code == 422
    assert create(admin, source_directories_b64=[b64(b"/x")]).status_code == 422


def test_name_and_path_are_taken_once(admin: Someone) -> None:
    assert create(admin).status_code == 201
    name = create(admin, path="/srv/borg/other")
    assert (name.status_code, name.json["error"]["code"]) == (409, "name_taken")
    path = create(admin, name="other", path="/srv//borg/x/../photos/")
    assert (path.status_code, path.json["error"]["code"]) == (409, "path_taken")


def test_the_same_key_answers_the_same_repository(admin: Someone) -> None:
    key = {"Idempotency-Key": "abc"}
    body = {k: v for k, v in NEW.items() if v != ...}
    first = admin.api("POST", "/api/repositories", json=body, headers=key)
    second = admin.api("POST", "/api/repositories", json=body, headers=key)
    assert second.status_code == 201
    assert second.json["id"] == first.json["id"]
    assert second.json["job_id"] == first.json["job_id"]
    assert Session.query(Repository).count() == 1


def test_put_changes_what_is_given_and_leaves_the_rest(admin: Someone, repository: int) -> None:
    address = f"/api/repositories/{repository}"
    before = admin.api("GET", address).json
    answer = admin.api("PUT", address, json={"compression": "lzma,6", "exclude_caches": True})
    assert answer.status_code == 200
    RepositoryAnswer.model_validate(answer.json)
    assert answer.json == {**before, "compression": "lzma,6", "exclude_caches": True}
    assert admin.api("GET", address).json == answer.json
    assert admin.api("PUT", address, json={}).json == answer.json


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"path": "/elsewhere"}, 422),
        ({"status": "ready"}, 422),
        ({"compression": "zip"}, 422),
        ({"source_directories": ["/srv"]}, 422),
        ({"name": "other"}, 409),
        ({"name": "photos"}, 200),
        ({"name": "new name"}, 200),
    ],
)
def test_a_change_is_checked(admin: Someone, repository: int, body: Any, status: int) -> None:
    add_repository("other")
    assert admin.api("PUT", f"/api/repositories/{repository}", json=body).status_code == status


def test_excludes_may_not_be_taken_from_around_the_repository(admin: Someone) -> None:
    made = create(admin, source_directories=["/srv"], exclude_patterns=["pp:/srv/borg"])
    answer = admin.api("PUT", f"/api/repositories/{made.json['id']}", json={"exclude_patterns": []})
    assert answer.status_code == 422


def test_forgetting_leaves_the_history_readable(admin: Someone, repository: int) -> None:
    job = add_job(repository_id=repository, repository_name="photos", status=Status.COMPLETED)
    Session.add(
        Archive(repository_id=repository, name="a", borg_id="0" * 64, start=now(), job_id=job)
    )
    Session.commit()
    Session.remove()
    assert admin.api("DELETE", f"/api/repositories/{repository}").status_code == 204
    assert admin.api("GET", f"/api/repositories/{repository}").status_code == 404
    left = admin.api("GET", f"/api/jobs/{job}").json
    assert (left["repository_id"], left["repository_name"]) == (None, "photos")
    assert Session.query(Archive).count() == 0


def test_nothing_is_forgotten_while_a_job_is_active(admin: Someone, repository: int) -> None:
    add_job(repository_id=repository, status=Status.RUNNING)
    answer = admin.api("DELETE", f"/api/repositories/{repository}")
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "repository_busy")


def test_deleting_the_data_is_a_job(admin: Someone, repository: int) -> None:
    answer = admin.api("DELETE", f"/api/repositories/{repository}?delete_data=true")
    assert answer.status_code == 202
    job = admin.api("GET", answer.location).json
    assert job["kind"] == "delete_repository"
    assert admin.api("GET", f"/api/repositories/{repository}").status_code == 200


def test_an_operator_neither_adds_nor_forgets(operator: Someone, repository: int) -> None:
    assert create(operator).status_code == 403
    assert operator.api("DELETE", f"/api/repositories/{repository}").status_code == 403
    assert operator.api("PUT", f"/api/repositories/{repository}", json={}).status_code == 403


def test_a_viewer_sees_figures_and_no_file_names(viewer: Someone, repository: int) -> None:
    shown = viewer.api("GET", f"/api/repositories/{repository}")
    RepositoryAnswer.model_validate(shown.json)
    assert "secret-folder" not in shown.text
    assert "secret-folder" not in viewer.api("GET", "/api/repositories").text
    assert shown.json["source_directories"] is None


def test_the_list_is_paged_and_sorted_by_name(admin: Someone, app: Flask) -> None:
    for name in ("b", "C", "a"):
        add_repository(name)
    first = admin.api("GET", "/api/repositories?per_page=2").json
    ListOf[RepositoryAnswer].model_validate(first)
    assert [each["name"] for each in first["items"]] == ["a", "b"]
    assert (first["total"], first["page"], first["per_page"]) == (3, 1, 2)
    second = admin.api("GET", "/api/repositories?per_page=2&page=2").json
    assert [each["name"] for each in second["items"]] == ["C"]
    for query in ("page=0", "per_page=201", "per_page=x", "page=1&page=2", "sort=name"):
        assert admin.api("GET", f"/api/repositories?{query}").status_code == 422, query


def test_archives_come_newest_first(viewer: Someone, repository: int) -> None:
    from datetime import UTC, datetime

    for day in (1, 3, 2):
        Session.add(
            Archive(
                repository_id=repository,
                name=f"day-{day}",
                borg_id=f"{day:064}",
                start=datetime(2026, 11, day, tzinfo=UTC),
                nfiles=day,
            )
        )
    Session.commit()
    Session.remove()
    answer = viewer.api("GET", f"/api/repositories/{repository}/archives").json
    ListOf[ArchiveAnswer].model_validate(answer)
    assert [each["name"] for each in answer["items"]] == ["day-3", "day-2", "day-1"]
    assert answer["items"][0]["start"] == "2026-11-03T00:00:00.000Z"
    assert answer["items"][0]["original_size"] is None
    assert viewer.api("GET", "/api/repositories/99/archives").status_code == 404


def test_a_repository_that_is_not_there_is_named(admin: Someone) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = admin.api(method, "/api/repositories/7", json={})
        assert answer.status_code == 404
        assert answer.json["error"]["code"] == "repository_not_found"
