"""Logs: from a byte on, what there is, or a stream that ends with its job."""

import threading
import time
from collections.abc import Iterator

import pytest
from redis import Redis
from sqlalchemy import update

from borgui import live
from borgui.api import logs as api_logs
from borgui.config import Config
from borgui.jobs import logs
from borgui.jobs.job import Job, Status
from borgui.models import Session
from tests.web.world import Someone, add_job


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(api_logs, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(api_logs, "STATUS_SECONDS", 0.05)
    yield
    assert api_logs._streams._value == api_logs.MOST_STREAMS, "a stream was not given back"


def write(config: Config, job: int, data: bytes) -> None:
    with logs.log_file(config, job).open("ab") as file:
        file.write(data)


def end(job: int) -> None:
    Session.execute(update(Job).where(Job.id == job).values(status=Status.COMPLETED))
    Session.commit()
    Session.remove()


def test_the_log_of_an_ended_job_is_its_file(operator: Someone, config: Config) -> None:
    number = add_job(status=Status.COMPLETED, log="cut")
    write(config, number, b"first\nsecond \xff\n")
    for path in (f"/api/jobs/{number}/log", f"/api/backup/logs/{number}"):
        answer = operator.api("GET", path)
        assert answer.content_type == "text/plain; charset=utf-8"
        assert answer.data == b"first\nsecond \xff\n"
        assert operator.api("GET", f"{path}?offset=6").data == b"second \xff\n"
        assert operator.api("GET", f"{path}?offset=9999").data == b""


def test_without_its_file_the_row_has_it(operator: Someone) -> None:
    number = add_job(status=Status.FAILED, log="one\ntwo\n")
    assert operator.api("GET", f"/api/jobs/{number}/log?offset=4").data == b"two\n"


def test_another_machines_log_comes_from_redis(operator: Someone, redis: Redis) -> None:
    number = add_job(status=Status.RUNNING, attempt=1)
    redis.hset(live.job_key(number), mapping={"attempt": "1", "log_base": "100", "log_end": "108"})
    redis.set(live.log_key(number), "line\nend")
    address = f"/api/jobs/{number}/log?follow=false"
    assert operator.api("GET", address).data == b"line\nend"
    assert operator.api("GET", f"{address}&offset=105").data == b"end"


def test_a_long_log_is_answered_whole(operator: Someone, config: Config) -> None:
    number = add_job(status=Status.COMPLETED)
    data = bytes(range(256)) * 2000
    write(config, number, data)
    assert operator.api("GET", f"/api/jobs/{number}/log").data == data


def test_it_streams_until_the_job_has_ended(operator: Someone, config: Config) -> None:
    number = add_job(status=Status.RUNNING)
    write(config, number, b"begun\n")

    def work() -> None:
        for line in (b"more\n", b"most\n"):
            time.sleep(0.15)
            write(config, number, line)
        write(config, number, b"last\n")
        end(number)

    worker = threading.Thread(target=work)
    answer = operator.stream(f"/api/backup/logs/{number}")
    arrived = []
    for piece in filter(None, answer.response):
        arrived.append(piece)
        if len(arrived) == 1:  # what there is comes before the job goes on
            worker.start()
    worker.join()
    answer.close()
    assert arrived[0] == b"begun\n"
    assert b"".join(arrived) == b"begun\nmore\nmost\nlast\n"


def test_a_waiting_job_is_followed_from_its_start(operator: Someone, config: Config) -> None:
    number = add_job(status=Status.PENDING)
    threading.Timer(0.2, lambda: (write(config, number, b"now\n"), end(number))).start()
    assert operator.api("GET", f"/api/jobs/{number}/log").data == b"now\n"


def test_follow_can_be_refused(operator: Someone, config: Config) -> None:
    number = add_job(status=Status.RUNNING)
    write(config, number, b"so far\n")
    begun = time.monotonic()
    assert operator.api("GET", f"/api/jobs/{number}/log?follow=false").data == b"so far\n"
    assert time.monotonic() - begun < 1


def test_the_fifth_stream_gets_the_plain_tail(operator: Someone, config: Config) -> None:
    number = add_job(status=Status.RUNNING)
    write(config, number, b"x" * api_logs.PLAIN_TAIL + b"tail\n")
    address = f"/api/jobs/{number}/log"
    streams = [operator.stream(address) for _ in range(api_logs.MOST_STREAMS)]
    for stream in streams:
        assert stream.status_code == 200
    answer = operator.api("GET", address)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"]
    assert answer.content_type.startswith("text/plain")
    assert answer.data == b"x" * (api_logs.PLAIN_TAIL - 5) + b"tail\n"
    assert answer.headers["X-Log-Offset"] == "5"
    streams.pop().close()
    again = operator.stream(address)
    assert again.status_code == 200
    for stream in (*streams, again):
        stream.close()


def test_a_head_request_takes_no_stream(operator: Someone) -> None:
    number = add_job(status=Status.RUNNING)
    assert operator.api("HEAD", f"/api/jobs/{number}/log").status_code == 200


@pytest.mark.parametrize(
    "query", ["offset=-1", "offset=x", "offset=1e3", f"offset={2**63}", "follow=maybe", "tail=5"]
)
def test_a_wrong_question_is_told_by_field(operator: Someone, query: str) -> None:
    number = add_job(status=Status.COMPLETED)
    answer = operator.api("GET", f"/api/jobs/{number}/log?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json["error"]["fields"]


def test_a_job_that_is_not_there_has_no_log(operator: Someone) -> None:
    assert operator.api("GET", "/api/jobs/5/log").json["error"]["code"] == "job_not_found"
