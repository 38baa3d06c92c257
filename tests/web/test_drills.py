"""Starting restore drills, what their pages say, and the proof on the others."""

import base64
import re
from datetime import timedelta
from typing import Any

import pytest

from borgui.borg.display import printable_path
from borgui.jobs import dashboard
from borgui.jobs.drill import DrillJob
from borgui.jobs.job import Job, Status
from borgui.models import Session, now
from tests.web.world import Someone, add_archive, add_job, add_repository

PROOF = {"nfiles": 200, "restored_size": 1_500_000, "compared_with_source": 150}


def add_drill(repository: int, status: Status = Status.COMPLETED, **values: Any) -> int:
    given = {"completed_at": now() - timedelta(days=3), "sample": 200, **PROOF, **values}
    return add_job(DrillJob, repository_id=repository, status=status, **given)


@pytest.fixture
def archive(repository: int) -> int:
    return add_archive(repository)


def start(person: Someone, repository: int, **body: Any) -> Any:
    return person.api("POST", f"/api/repositories/{repository}/drill", json=body)


def drill_of(answer: Any) -> DrillJob:
    assert answer.status_code == 202, answer.text
    row = Session.get(DrillJob, answer.json["job_id"])
    assert row is not None
    return row


# -- the API ---------------------------------------------------------------------------------------


def test_start(operator: Someone, repository: int, archive: int) -> None:
    answer = start(operator, repository)
    job = operator.api("GET", f"/api/repositories/drill-jobs/{answer.json['job_id']}").json
    assert (job["kind"], job["status"], job["repository_id"]) == ("drill", "pending", repository)
    assert (job["sample"], job["all"], job["priority"]) == (200, False, "default")
    assert (job["archive_id"], job["archive"], job["differing"]) == (None, None, [])
    unknown = ("nfiles", "restored_size", "compared_with_source", "compared_with_checksums")
    assert {job[name] for name in (*unknown, "differing_count", "skipped_count")} == {None}
    assert drill_of(start(operator, repository, all=True, priority="low")).sample is None
    named = drill_of(start(operator, repository, archive_id=archive, sample=1))
    assert (named.archive_id, named.archive, named.sample) == (archive, "photos-1", 1)
    listed = operator.api("GET", f"/api/repositories/{repository}/drill-jobs").json
    assert [each["id"] for each in listed["items"]] == [3, 2, 1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"sample": 0}, "sample"),
        ({"sample": 1001}, "sample"),
        ({"sample": "5"}, "sample"),
        ({"sample": 1.5}, "sample"),
        ({"sample": 5, "all": True}, "sample"),
        ({"all": "yes"}, "all"),
        ({"archive_id": 0}, "archive_id"),
        ({"archive_id": 99}, "archive_id"),
        ({"archive_id": 2**70}, "archive_id"),
        ({"archive_id": "1"}, "archive_id"),
        ({"destination": "/x"}, "destination"),
        ({"priority": "urgent"}, "priority"),
    ],
)
def test_what_is_refused(
    operator: Someone, repository: int, archive: int, body: dict[str, Any], field: str
) -> None:
    answer = start(operator, repository, **body)
    assert answer.status_code == 422, answer.text
    assert list(answer.json["error"]["fields"]) == [field]
    assert Session.query(Job).count() == 0


def test_an_archive_of_another_repository(operator: Someone, repository: int, archive: int) -> None:
    other = add_repository("other")
    add_archive(other, "other-1")
    answer = start(operator, other, archive_id=archive)
    assert (answer.status_code, list(answer.json["error"]["fields"])) == (422, ["archive_id"])


def test_without_an_archive(operator: Someone, repository: int) -> None:
    answer = start(operator, repository)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "no_archive")


def test_bad_ids_and_states(operator: Someone, repository: int, archive: int) -> None:
    for wrong in (0, 99, 2**31, 2**70):
        assert start(operator, wrong).status_code == 404, wrong
        assert operator.api("GET", f"/api/repositories/drill-jobs/{wrong}").status_code == 404
        assert operator.api("GET", f"/api/repositories/{wrong}/drill-jobs").status_code == 404
    backup = add_job(status=Status.COMPLETED)
    assert operator.api("GET", f"/api/repositories/drill-jobs/{backup}").status_code == 404
    broken = add_repository("broken", status="error")
    add_archive(broken, "broken-1")
    answer = start(operator, broken)
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "repository_not_ready")


def test_the_same_key_is_the_same_job(operator: Someone, repository: int, archive: int) -> None:
    path, headers = f"/api/repositories/{repository}/drill", {"Idempotency-Key": "mine"}
    first = operator.api("POST", path, json={}, headers=headers)
    assert operator.api("POST", path, json={}, headers=headers).json == first.json


def test_a_viewer_may_not_start_and_sees_no_names(
    viewer: Someone, operator: Someone, repository: int, archive: int
) -> None:
    assert start(viewer, repository).status_code == 403
    job = add_drill(
        repository,
        Status.FAILED,
        differing=["home/secret-file"],
        differing_count=1,
        current_file="/home/secret-file",
    )
    for path in (f"/api/repositories/drill-jobs/{job}", f"/api/jobs/{job}", f"/jobs/{job}"):
        seen = viewer.api("GET", path) if "api" in path else viewer.browser("GET", path)
        assert seen.status_code == 200
        assert "secret" not in seen.text
        assert "c2VjcmV0" not in seen.text
    told = operator.api("GET", f"/api/repositories/drill-jobs/{job}").json
    assert base64.b64decode(told["differing_b64"][0]) == b"home/secret-file"
    assert told["differing_count"] == 1


# -- pages -----------------------------------------------------------------------------------------


def sent(person: Someone, repository: int, **form: str) -> Any:
    data = {"csrf_token": person.csrf, **form}
    return person.client.post(f"/repositories/{repository}/drill", data=data)


def test_the_form_starts_one(operator: Someone, repository: int, archive: int) -> None:
    page = operator.browser("GET", f"/repositories/{repository}").text
    assert f'action="/repositories/{repository}/drill"' in page
    assert re.search(r'name="sample"[^>]*value="200"', page)
    answer = sent(operator, repository, sample=" 17 ", once="a")
    assert answer.status_code == 303
    job = Session.query(DrillJob).one()
    assert (answer.location, job.sample) == (f"/jobs/{job.id}", 17)
    assert sent(operator, repository, sample="17", once="a").location == f"/jobs/{job.id}"
    sent(operator, repository, sample="nonsense", all="1", once="b")
    assert [each.sample for each in Session.query(DrillJob).order_by(DrillJob.id)] == [17, None]
    shown = operator.browser("GET", answer.location).text
    assert "17 files, chosen by chance" in shown
    assert "the newest when it starts" in shown


@pytest.mark.parametrize("typed", ["", "0", "1001", "-3", "many", "²", "9" * 40])
def test_what_was_typed_is_kept(
    operator: Someone, repository: int, archive: int, typed: str
) -> None:
    answer = sent(operator, repository, sample=typed)
    assert answer.status_code == 422
    assert re.search(rf'name="sample"[^>]*value="{typed}"[^>]*aria-invalid="true"', answer.text)
    assert 'id="sample-error"' in answer.text
    said = "Choose from 1 to 1000 files." if typed in {"0", "1001"} else "Give a whole number."
    assert said in answer.text
    assert f'hx-get="/repositories/{repository}"' in answer.text
    assert Session.query(Job).count() == 0


def test_who_may_start_one_from_the_page(
    viewer: Someone, operator: Someone, repository: int
) -> None:
    page = operator.browser("GET", f"/repositories/{repository}").text
    assert "Restore drill" not in page  # nothing to restore from
    add_archive(repository)
    page = viewer.browser("GET", f"/repositories/{repository}").text
    assert "Restore never proved" in page
    assert "Start a drill" not in page
    assert sent(viewer, repository, sample="5").status_code == 403
    assert sent(operator, 99, sample="5").status_code == 404
    answer = operator.app.test_client().post(f"/repositories/{repository}/drill")
    assert (answer.status_code, "/login" in answer.location) == (303, True)
    answer = operator.client.post(f"/repositories/{repository}/drill", data={"sample": "5"})
    assert answer.status_code == 403


def test_the_age_of_the_last_proof(operator: Someone, repository: int, archive: int) -> None:
    never = operator.browser("GET", "/").text
    assert re.search(r'data-label="Restore proved"><span class="faint">never', never)
    add_drill(repository, Status.FAILED)
    add_drill(repository, Status.CANCELLED)
    assert "Restore never proved" in operator.browser("GET", f"/repositories/{repository}").text
    add_drill(repository, nfiles=3, completed_at=now() - timedelta(days=30))
    job = add_drill(repository, skipped_count=4)
    add_drill(repository, Status.FAILED, error_message="2 of 200 files differ.")
    for path in ("/", "/dashboard/overview", "/repositories"):
        page = operator.browser("GET", path).text
        cell = re.search(r'data-label="Restore proved">(.*?)</td>', page, re.DOTALL)
        assert cell is not None
        assert f"/jobs/{job}" in cell[1]
        assert "3 days ago" in cell[1]
        assert "200 files, all identical; 4 left out" in cell[1]
    page = operator.browser("GET", f"/repositories/{repository}").text
    text = re.sub(r"<[^>]+>", "", page)
    assert re.search(r"Restore proved 3 days ago:\s+200 files, all identical; 4 left out", text)
    assert "Needs a look" in page
    assert "2 of 200 files differ." in page
    assert "2 of 200 files differ." in operator.browser("GET", "/").text


def test_the_proof_costs_one_query_for_all(
    operator: Someone, repository: int, statements: list[str]
) -> None:
    for number in range(30):
        add_drill(add_repository(f"more-{number}"))
    add_drill(repository, Status.FAILED)
    statements.clear()
    found = dashboard.proofs(Session())
    assert len(found) == 30
    assert len(statements) == 1
    assert dashboard.proofs(Session(), repository) == {}


def test_the_page_of_a_proof(operator: Someone, viewer: Someone, repository: int) -> None:
    odd = "home/caf\udce9\nx"
    job = add_drill(repository, compared_with_checksums=50, skipped_count=4, archive="photos-1")
    page = operator.browser("GET", f"/jobs/{job}").text
    assert "Restored 200 files, all identical." in page
    assert "Left out: too large" in page
    failed = add_drill(
        repository,
        Status.FAILED,
        nfiles=2,
        differing=[odd],
        differing_count=1,
        error_message="1 of 2 restored files is not what was backed up; see the warnings.",
        warning_count=1,
        warnings=[{"path": printable_path(odd), "message": "It did not come back."}],
    )
    page = operator.browser("GET", f"/jobs/{failed}").text
    assert "1 of 2 restored files is not what was backed up" in page
    assert re.search(r"Not as backed up</dt><dd[^>]*>1</dd>", page)
    assert r"\xe9\x0a" in page  # among the warnings
    assert "all identical" not in page
    seen = viewer.browser("GET", f"/jobs/{failed}").text
    assert re.search(r"Not as backed up</dt><dd[^>]*>1</dd>", seen)
    assert "caf" not in seen
    stopped = add_drill(repository, Status.CANCELLED, **dict.fromkeys(PROOF))
    assert "Nothing was proved." in operator.browser("GET", f"/jobs/{stopped}").text
