"""The jobs' pages and partials: within their page, alone, by htmx and by plain form."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from borgui import live
from borgui.jobs.job import Job, Status
from borgui.models import Session, now
from borgui.web import job_log
from tests.web.world import Someone, add_job, add_repository

HTMX = {"HX-Request": "true"}
FILE = "/home/secret-folder/diary.txt"
ODD = os.fsdecode(b"/home/B\xf6rk <b>.flac")


@pytest.fixture
def announce(redis: Redis) -> Callable[..., None]:
    """Write a live hash, as control and the runner do."""

    def write(job: int, **facts: Any) -> None:
        live.announce(redis, job, attempt=1, kind="backup", label="Backup",
                      repository_name="photos", repository_id=1)  # fmt: skip
        state = {"status": "running", "updated_at": live.timestamp(), **facts}
        redis.hset(live.job_key(job), mapping=live.encode(state))

    return write


@pytest.fixture
def running(repository: int, announce: Callable[..., None]) -> int:
    """A backup that runs, at 42 percent of a known total."""
    job = add_job(repository_id=repository, status=Status.RUNNING, attempt=1, started_at=now())
    announce(job, progress_percent=42.4, current_file=FILE, nfiles=8123, log_base=0, log_end=9)
    return job


@pytest.fixture
def failed(repository: int) -> int:
    """A failed backup with a log and a warning that name files."""
    return add_job(
        repository_id=repository,
        status=Status.FAILED,
        started_at=now(),
        completed_at=now(),
        error_code="no_space",
        error_message="The disk is full.",
        command=f"borg create ::x {FILE}",
        log=f"reading {FILE}\nNo space left on device\n",
        log_size=60,
        warning_count=1,
        warnings=[{"path": FILE, "message": "went away", "msgid": None}],
    )


def root_of(text: str) -> str:
    """The opening tag of a partial's one root element."""
    found = re.match(r"\s*(<[^>]+>)", text)
    assert found, text[:200]
    name = found[1].split()[0][1:]
    assert text.rstrip().endswith(f"</{name}>")
    return found[1]


def test_partial_of_a_running_job_in_its_page_and_alone(admin: Someone, running: int) -> None:
    alone = admin.browser("GET", f"/jobs/{running}/progress", headers=HTMX)
    root = root_of(alone.text)
    assert f'id="job-{running}"' in root
    assert 'hx-trigger="every 1s"' in root
    assert f'hx-get="/jobs/{running}/progress"' in root
    assert 'value="42.4"' in alone.text
    assert "diary.txt" in alone.text
    assert "HX-Trigger" not in alone.headers
    page = admin.browser("GET", f"/jobs/{running}")
    assert root in page.text


def test_partial_of_a_running_job_needs_no_row(admin: Someone, running: int) -> None:
    Session.query(Job).delete()
    Session.commit()
    Session.remove()
    assert admin.browser("GET", f"/jobs/{running}/progress").status_code == 200


def test_unknown_is_not_zero(admin: Someone, repository: int, announce: Any) -> None:
    job = add_job(repository_id=repository, status=Status.RUNNING, attempt=1, started_at=now())
    announce(job)
    text = admin.browser("GET", f"/jobs/{job}/progress").text
    bar = re.search(r"<progress[^>]*>", text)
    assert bar
    assert "value" not in bar[0]
    assert "0 %" not in text


def test_pending_job_asks_slowly_and_tells_when_it_starts(
    admin: Someone, repository: int, announce: Any
) -> None:
    job = add_job(
        repository_id=repository, status=Status.PENDING, wait_reason="Waits for backup #12."
    )
    alone = admin.browser("GET", f"/jobs/{job}/progress?was=pending", headers=HTMX)
    assert "every 2s" in root_of(alone.text)
    assert "Waits for backup #12." in alone.text
    assert "HX-Trigger" not in alone.headers
    announce(job)
    then = admin.browser("GET", f"/jobs/{job}/progress?was=pending", headers=HTMX)
    assert then.headers["HX-Trigger"] == "job-changed"


def test_ended_job_stops_asking(admin: Someone, failed: int) -> None:
    alone = admin.browser("GET", f"/jobs/{failed}/progress", headers=HTMX)
    assert "hx-get" not in root_of(alone.text)
    assert alone.headers["HX-Trigger"] == "job-changed"
    page = admin.browser("GET", f"/jobs/{failed}").text
    assert root_of(alone.text) in page
    assert "The disk is full." in page
    assert "No space left on device" in page
    assert "figures" not in page
    assert "went away" in page


def test_hash_that_ended_before_its_row_keeps_asking(
    admin: Someone, repository: int, announce: Any
) -> None:
    job = add_job(repository_id=repository, status=Status.RUNNING, attempt=1, started_at=now())
    announce(job, status="completed")
    assert "every 1s" in root_of(admin.browser("GET", f"/jobs/{job}/progress").text)


def test_viewer_sees_no_file_name(viewer: Someone, running: int, failed: int) -> None:
    for path in ("/", "/jobs", f"/jobs/{running}", f"/jobs/{running}/progress", f"/jobs/{failed}",
                 f"/jobs/active?seen={running}", "/repositories", "/repositories/1",
                 "/repositories/1/archives", "/repositories/1/jobs"):  # fmt: skip
        answer = viewer.browser("GET", path)
        assert answer.status_code == 200, path
        assert "diary" not in answer.text, path
        assert "secret-folder" not in answer.text, path
    assert viewer.browser("GET", f"/jobs/{failed}/log").status_code == 403
    assert viewer.browser("GET", f"/jobs/{failed}/log.txt").status_code == 403
    assert "<form" not in viewer.browser("GET", f"/jobs/{running}/progress").text


def test_odd_names_are_escaped_and_marked(admin: Someone, repository: int, announce: Any) -> None:
    job = add_job(repository_id=repository, status=Status.RUNNING, attempt=1, started_at=now())
    announce(job, current_file=ODD)
    ended = add_job(
        repository_id=repository,
        status=Status.COMPLETED,
        warning_count=1,
        warnings=[{"path": ODD, "message": ODD, "msgid": None}],
    )
    text = admin.browser("GET", f"/jobs/{ended}").text
    assert '<span class="odd" title="bytes that are no text">\\xf6</span>' in text
    assert "<b>.flac" not in text
    assert "B<span" in admin.browser("GET", f"/jobs/{job}/progress").text


def test_a_name_cannot_turn_the_direction_of_reading(
    admin: Someone, repository: int, announce: Any
) -> None:
    job = add_job(repository_id=repository, status=Status.RUNNING, attempt=1, started_at=now())
    announce(job, current_file="/home/مستودع/photo-\u202egpj.exe")
    text = admin.browser("GET", f"/jobs/{job}/progress").text
    assert '<span class="odd" title="turns the direction of reading">\\u202e</span>gpj.exe' in text
    assert "مستودع" in text
    assert "\u202e" not in text


def test_list_filters_and_pages(admin: Someone, repository: int, running: int) -> None:
    for _ in range(30):
        add_job(repository_id=repository, status=Status.COMPLETED, completed_at=now())
    first = admin.browser("GET", "/jobs").text
    assert 'id="active"' in first
    assert "1\N{EN DASH}25 of 30" in first
    assert 'href="/jobs?page=2"' in first
    second = admin.browser("GET", "/jobs?page=2").text
    assert "26\N{EN DASH}30 of 30" in second
    assert 'id="active"' not in second
    assert "No ended job fits" in admin.browser("GET", "/jobs?status=failed").text
    assert admin.browser("GET", "/jobs?kind=nonsense&status=x&page=-3").status_code == 200
    assert admin.browser("GET", f"/jobs?repository_id={2**40}&page={2**40}").status_code == 200


def test_active_partial_asks_for_all_at_once(admin: Someone, running: int, failed: int) -> None:
    text = admin.browser("GET", "/jobs/active", headers=HTMX).text
    assert 'id="active"' in root_of(text)
    assert f"seen={running}" in root_of(text)
    assert root_of(text) in admin.browser("GET", "/").text
    kept = admin.browser("GET", f"/jobs/active?seen={running},{failed}&keep=1", headers=HTMX)
    assert f'id="job-{failed}"' in kept.text
    assert kept.headers["HX-Trigger"] == "job-changed"
    none = admin.browser("GET", f"/jobs/active?seen={failed}&keep=1", headers=HTMX)
    assert "hx-get" not in root_of(none.text)


def test_active_partial_is_made_once_for_who_may_see_the_same(
    admin: Someone, operator: Someone, viewer: Someone, running: int
) -> None:
    """Each asker's own token is in its forms, and what one has just done is seen at once."""
    assert admin.csrf.split(".")[0] != operator.csrf.split(".")[0]
    for person in (admin, operator):
        text = person.browser("GET", "/jobs/active", headers=HTMX).text
        # After its first part it tells when it was made.
        assert csrf_of_text(text).split(".")[0] == person.csrf.split(".")[0]
        assert "Cancel" in text
    seen = viewer.browser("GET", "/jobs/active", headers=HTMX).text
    assert "diary.txt" not in seen
    assert "csrf_token" not in seen
    assert admin.browser("POST", f"/jobs/{running}/cancel").status_code == 303
    assert "cancelling" in admin.browser("GET", "/jobs/active", headers=HTMX).text


def csrf_of_text(text: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', text)
    assert found, text
    return found[1]


def test_log_is_followed_by_offsets(admin: Someone, running: int, redis: Redis) -> None:
    redis.set(live.log_key(running), "one\ntwo\n<x>")
    redis.hset(live.job_key(running), mapping={"log_base": "100", "log_end": "111"})
    page = admin.browser("GET", f"/jobs/{running}").text
    assert "one\ntwo\n&lt;x&gt;" in page
    assert f'hx-get="/jobs/{running}/log?offset=111"' in page
    more = admin.browser("GET", f"/jobs/{running}/log?offset=104", headers=HTMX)
    assert 'id="log-more"' in root_of(more.text)
    assert 'hx-swap-oob="beforeend:#log-text">two\n&lt;x&gt;<' in more.text
    nothing = admin.browser("GET", f"/jobs/{running}/log?offset=111", headers=HTMX)
    assert nothing.status_code == 204
    cut = admin.browser("GET", f"/jobs/{running}/log?offset=40", headers=HTMX).text
    assert "60 bytes passed too quickly" in cut


def test_log_of_an_ended_job_ends(admin: Someone, failed: int, app: Flask) -> None:
    file = app.config["BORGUI"].logs / f"{failed}.log"
    file.write_bytes(b"first\nlast\xff\n")
    more = admin.browser("GET", f"/jobs/{failed}/log?offset=6", headers=HTMX).text
    assert "hx-get" not in root_of(more)
    assert "last\\xff" in more
    assert "first" not in more
    assert admin.browser("GET", f"/jobs/{failed}/log.txt").data == b"first\nlast\xff\n"
    file.write_bytes(bytes(500_000))
    cut = admin.browser("GET", f"/jobs/{failed}/log?offset=10", headers=HTMX).text
    assert f"{500_000 - 10 - job_log.PIECE:,} bytes passed too quickly" in cut


def test_cancel_by_plain_form_and_by_htmx(operator: Someone, repository: int, app: Flask) -> None:
    plain, quick = (add_job(repository_id=repository, status=Status.PENDING) for _ in range(2))
    answer = operator.browser("POST", f"/jobs/{plain}/cancel")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/jobs/{plain}"
    row = operator.browser("POST", f"/jobs/{quick}/cancel", headers=HTMX)
    assert f'id="job-{quick}"' in root_of(row.text)
    assert "cancelled" in row.text
    again = operator.browser("POST", f"/jobs/{quick}/cancel")
    assert again.status_code == 409


def test_run_again_makes_one_job(operator: Someone, failed: int) -> None:
    form = {"once": "a-token"}
    answers = [operator.browser("POST", f"/jobs/{failed}/retry", data=form) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {303}
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert answers[0].headers["Location"] != f"/jobs/{failed}"


def test_operator_cannot_repeat_what_only_an_admin_may_start(operator: Someone) -> None:
    number = add_repository("other")
    job = add_job(kind="delete_repository", repository_id=number, status=Status.FAILED)
    assert operator.browser("POST", f"/jobs/{job}/retry").status_code == 403
    assert "Run again" not in operator.browser("GET", f"/jobs/{job}").text


def test_bad_ids_are_404(admin: Someone) -> None:
    for path in ("/jobs/999", "/jobs/999/progress", "/jobs/999/log", "/jobs/999/log.txt"):
        assert admin.browser("GET", path).status_code == 404


def test_pages_render_without_redis(admin: Someone, running: int, redis_server: Any) -> None:
    redis_server.stop()
    for path in ("/", "/jobs", f"/jobs/{running}", f"/jobs/{running}/progress", "/repositories/1"):
        answer = admin.browser("GET", path)
        assert answer.status_code == 200, path
    assert "Redis cannot be reached." in admin.browser("GET", "/").text
    assert admin.browser("POST", f"/jobs/{running}/cancel").status_code == 503


def test_what_opened_a_repository_is_not_run_again(admin: Someone, repository: int) -> None:
    """It would fail, since the repository exists, and take the repository with it."""
    job = add_job(kind="init", repository_id=repository, status=Status.FAILED)
    assert "Run again" not in admin.browser("GET", f"/jobs/{job}").text
    refused = admin.api("POST", f"/api/jobs/{job}/retry")
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "repository_ready")
    assert admin.api("GET", f"/api/repositories/{repository}").json["status"] == "ready"


def test_a_hash_that_nobody_writes_any_more_is_not_believed(
    admin: Someone, failed: int, announce: Any
) -> None:
    """Its worker was killed: pages that show it as running find out and stop asking."""
    old = live.timestamp(now() - timedelta(seconds=15 + 1))
    announce(failed, updated_at=old, log_base=0, log_end=0)
    alone = admin.browser("GET", f"/jobs/{failed}/progress", headers=HTMX)
    assert "hx-get" not in root_of(alone.text)
    assert alone.headers["HX-Trigger"] == "job-changed"
    more = admin.browser("GET", f"/jobs/{failed}/log?offset=0", headers=HTMX)
    assert more.status_code == 200
    assert "hx-get" not in root_of(more.text)


def test_a_job_that_is_being_cancelled_says_so_from_its_hash_too(
    admin: Someone, running: int, announce: Any
) -> None:
    announce(running, cancelling=True)
    alone = admin.browser("GET", f"/jobs/{running}/progress", headers=HTMX).text
    assert ">cancelling</b>" in alone


@pytest.mark.parametrize(("tries", "by"), [(0, "hand"), (1, "an automatic try")])
def test_who_ran_a_job_again(
    admin: Someone, repository: int, failed: int, tries: int, by: str
) -> None:
    job = add_job(repository_id=repository, trigger="retry", retry_of=failed, tries=tries)
    page = admin.browser("GET", f"/jobs/{job}").text
    assert f"<dd>{by}, again after <a" in page


def test_what_borgui_did_besides_is_told_and_is_no_warning(
    admin: Someone, viewer: Someone, repository: int
) -> None:
    note = "A stale lock of this machine was removed (process 7 on here)."
    job = add_job(
        repository_id=repository,
        status=Status.COMPLETED,
        warnings=[{"path": None, "message": note, "msgid": "borgui.note"}],
    )
    page = admin.browser("GET", f"/jobs/{job}").text
    assert note in page
    assert "warnings-card" not in page
    assert "done with warnings" not in page
    assert note not in viewer.browser("GET", f"/jobs/{job}").text
