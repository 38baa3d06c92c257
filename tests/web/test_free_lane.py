"""Freeing the repository that the job of a silent machine keeps reserved: the API and the page."""

from redis import Redis

from borgui import live
from borgui.jobs.job import Job, Status
from borgui.models import Session
from tests.web.world import Someone, add_job


def held(repository: int, **values: object) -> int:
    return add_job(
        repository_id=repository,
        status=Status.FAILED,
        lane="x",
        lane_held=True,
        machine="far",
        **values,
    )


def test_by_the_api(admin: Someone, operator: Someone, repository: int, redis: Redis) -> None:
    job = held(repository)
    place = f"/api/jobs/{job}/free-lane"
    assert operator.api("POST", place, json={}).status_code == 403
    redis.hset(live.machine_key("far"), "workers", "2")
    answer = admin.api("POST", place, json={})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "machine_answers")
    redis.delete(live.machine_key("far"))
    answer = admin.api("POST", place, json={})
    assert (answer.status_code, answer.json["lane_held"]) == (200, False)
    assert admin.api("POST", place, json={}).json["error"]["code"] == "nothing_held"
    assert admin.api("POST", place, json={"x": 1}).status_code == 422
    assert admin.api("POST", "/api/jobs/99/free-lane", json={}).status_code == 404


def test_by_the_page(admin: Someone, operator: Someone, repository: int) -> None:
    job = held(repository)
    seen = operator.browser("GET", f"/jobs/{job}").text
    assert "An admin can free it." in seen
    assert "free-lane" not in seen
    page = admin.browser("GET", f"/jobs/{job}").text
    assert f'action="/jobs/{job}/free-lane"' in page
    assert "certainly dead" in page
    answer = admin.browser("POST", f"/jobs/{job}/free-lane")
    assert (answer.status_code, answer.location) == (303, f"/jobs/{job}")
    assert not Session.get(Job, job).lane_held
    page = admin.browser("GET", f"/jobs/{job}").text
    assert "free for other jobs" in page
    assert "is reserved" not in page
