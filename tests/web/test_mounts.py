"""Who may mount, by page and by API, and what is shown of what is mounted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from borgui import live
from borgui.api.answers import JobAnswer, ListOf
from borgui.config import Config
from borgui.jobs import admission, auto_index, kind_of, mounts
from borgui.jobs.auto_index import AutoIndex
from borgui.jobs.job import Job, Priority, Status, Trigger
from borgui.jobs.kind import Context
from borgui.jobs.lanes import Lanes, lane_of, occupied, reason_to_wait
from borgui.models import Archive, Repository, Session, Settings, now
from borgui.security import keys as security_keys
from tests.web.world import Someone, add_archive, add_job

KIND = kind_of("mount")
PLACE = "/data/mounts/photos-1-7"


@pytest.fixture
def archive(repository: int) -> int:
    """An archive of ``photos``; its id."""
    return add_archive(repository, "photos <1>")


@pytest.fixture
def mounted(redis: Redis, repository: int, archive: int) -> Callable[..., int]:
    """Makes a mount of it that stands, or what ``values`` say."""

    def make(*, is_there: bool = True, **values: Any) -> int:
        facts = {
            "repository_id": repository,
            "status": Status.RUNNING,
            "attempt": 1,
            "admitted_at": now(),
            "started_at": now(),
            "archive": "photos <1>",
            "archive_id": archive,
            "mountpoint": PLACE,
            "expires_at": now() + timedelta(minutes=42),
            **values,
        }
        number = add_job(KIND.row, **facts)
        live.announce(redis, number, attempt=1, kind="mount", label="Mount")
        state = {"status": "running", "mounted_at": live.timestamp() if is_there else None}
        redis.hset(live.job_key(number), mapping=live.encode(state))
        return number

    return make


# --- starting -------------------------------------------------------------------------------------


def test_the_form_leads_to_the_job(redis: Redis, archive: int, operator: Someone) -> None:
    page = operator.browser("GET", f"/archives/{archive}/mount")
    assert page.status_code == 200
    assert "photos &lt;1&gt;" in page.text
    assert (
        f'href="/archives/{archive}/mount"' in operator.browser("GET", f"/archives/{archive}").text
    )
    form = {"lease_minutes": "240", "once": "a"}
    answer = operator.browser("POST", f"/archives/{archive}/mount", data=form)
    assert answer.status_code == 303, answer.text
    again = operator.browser("POST", f"/archives/{archive}/mount", data=form)
    assert again.location == answer.location
    job: Any = Session.get(Job, int(answer.location.rpartition("/")[2]))
    assert (job.kind, job.archive, job.lease_minutes) == ("mount", "photos <1>", 240)
    assert job.expires_at is None
    Session.remove()
    assert operator.browser("GET", answer.location).status_code == 200


@pytest.mark.parametrize("minutes", ["0", "1441", "-5", "x", "", "9" * 30])
def test_a_wrong_lease_is_said_at_its_field(archive: int, admin: Someone, minutes: str) -> None:
    answer = admin.browser("POST", f"/archives/{archive}/mount", data={"lease_minutes": minutes})
    assert answer.status_code == 422
    assert 'id="lease_minutes-error"' in answer.text
    body = {"lease_minutes": minutes}
    assert admin.api("POST", f"/api/archives/{archive}/mount", json=body).status_code == 422


def test_the_same_key_is_the_same_mount(archive: int, operator: Someone) -> None:
    answers = [
        operator.api("POST", f"/api/archives/{archive}/mount", headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [202, 202]
    assert answers[0].json["job_id"] == answers[1].json["job_id"]


def test_a_machine_that_cannot_says_why(redis: Redis, archive: int, operator: Someone) -> None:
    report = {"workers": 2, "mount_problem": "There is no /dev/fuse <here>."}
    redis.hset(live.machine_key("local"), mapping=live.encode(report))
    page = operator.browser("GET", f"/archives/{archive}/mount").text
    assert "There is no /dev/fuse &lt;here&gt;." in page
    assert "disabled>Mount</button>" in page


def test_viewers_neither_mount_nor_see_where(
    archive: int, mounted: Callable[..., int], viewer: Someone
) -> None:
    job = mounted()
    for method, path in (
        ("POST", f"/api/archives/{archive}/mount"),
        ("GET", "/api/mounts"),
        ("DELETE", f"/api/mounts/{job}"),
    ):
        assert viewer.api(method, path).status_code == 403, path
    for path in ("/mounts", f"/archives/{archive}/mount"):
        assert viewer.browser("GET", path).status_code == 403, path
    told = viewer.api("GET", f"/api/jobs/{job}").json
    assert (told["mountpoint"], told["mountpoint_b64"]) == (None, None)
    assert PLACE not in viewer.browser("GET", f"/jobs/{job}").text
    assert PLACE not in viewer.browser("GET", f"/jobs/{job}/progress").text


def test_what_is_not_there(archive: int, admin: Someone) -> None:
    backup = add_job()
    for method, path in (
        ("GET", "/archives/99/mount"),
        ("POST", "/archives/99/mount"),
        ("POST", "/api/archives/99/mount"),
        ("DELETE", "/api/mounts/99"),
        ("DELETE", f"/api/mounts/{backup}"),
    ):
        ask = admin.api if path.startswith("/api") else admin.browser
        assert ask(method, path).status_code == 404, path


# --- what is mounted ------------------------------------------------------------------------------


def test_the_list_and_the_pages_say_where(mounted: Callable[..., int], operator: Someone) -> None:
    there, coming = mounted(), mounted(is_there=False, mountpoint="/data/mounts/other-8")
    mounted(status=Status.COMPLETED)
    answer = operator.api("GET", "/api/mounts").json
    ListOf[JobAnswer].model_validate(answer)
    assert [each["id"] for each in answer["items"]] == [coming, there]
    assert (answer["total"], answer["items"][0]["mounted_at"]) == (2, None)
    assert (answer["items"][1]["mountpoint"], answer["items"][1]["gave_way_to"]) == (PLACE, None)
    second = operator.api("GET", "/api/mounts?per_page=1&page=2").json
    assert ([each["id"] for each in second["items"]], second["total"]) == ([there], 2)
    page = operator.browser("GET", "/mounts").text
    assert f'data-copy="{PLACE}"' in page
    assert "/data/mounts/other-8" not in page  # nothing is there yet
    assert 'hx-select="#mounted"' in page
    job = operator.browser("GET", f"/jobs/{there}").text
    assert f'data-copy="{PLACE}"' in job
    assert "Unmount</button>" in job
    waiting = operator.browser("GET", f"/jobs/{coming}").text
    assert 'hx-select="#mount-card"' in waiting
    assert 'hx-select="#mount-card"' not in job


def test_when_nothing_is_mounted(app: object, operator: Someone) -> None:
    assert "Nothing is mounted." in operator.browser("GET", "/mounts").text
    assert operator.api("GET", "/api/mounts").json["items"] == []


def test_unmounting_is_cancelling(
    redis: Redis, mounted: Callable[..., int], operator: Someone
) -> None:
    job = mounted()
    answer = operator.api("DELETE", f"/api/mounts/{job}")
    assert (answer.status_code, answer.json["id"], answer.json["status"]) == (202, job, "running")
    assert answer.json["cancel_requested_at"] is not None
    assert live.is_cancelled(redis.get(live.cancel_key(job)), 1)
    assert "being unmounted" in operator.browser("GET", "/mounts").text
    ended = mounted(status=Status.COMPLETED)
    assert operator.api("DELETE", f"/api/mounts/{ended}").status_code == 409


@pytest.mark.parametrize(
    ("ended_by", "gave_way_to", "words"),
    [
        ("person", None, "Unmounted by hand."),
        ("lease", None, "Its lease is over."),
        ("stopped", None, "Unmounted because borgui was stopped."),
        ("job", "backup #12", "Ended because backup #12 waited."),
    ],
)
def test_an_ended_mount_says_why(
    mounted: Callable[..., int],
    operator: Someone,
    ended_by: str,
    gave_way_to: str | None,
    words: str,
) -> None:
    job = mounted(
        status=Status.COMPLETED,
        completed_at=now(),
        mounted_at=now(),
        ended_by=ended_by,
        gave_way_to=gave_way_to,
        progress_message=words,
    )
    assert words in operator.browser("GET", f"/jobs/{job}").text
    assert words in operator.browser("GET", "/jobs").text


# --- writers --------------------------------------------------------------------------------------


@pytest.fixture
def given(config: Config, archive: int) -> Context:
    return Context(Session(), config, Settings(), security_keys.load(config))


def backup_waits(repository: int, **values: Any) -> int:
    return add_job(repository_id=repository, **values)


def test_a_waiting_writer_ends_it(
    redis: Redis, given: Context, repository: int, mounted: Callable[..., int]
) -> None:
    first, coming, other = mounted(), mounted(is_there=False), mounted(repository_id=None)
    assert mounts.give_way(given, redis) == []
    writer = backup_waits(repository)
    assert sorted(mounts.give_way(given, redis)) == [first, coming]
    row: Any = Session.get(KIND.row, first)
    assert row.gave_way_to == f"backup #{writer}"
    assert row.cancel_requested_at is not None
    assert live.is_cancelled(redis.get(live.cancel_key(coming)), 1)
    assert redis.get(live.cancel_key(other)) is None
    Session.remove()
    assert mounts.give_way(given, redis) == []


@pytest.mark.parametrize(
    "values",
    [
        {"not_before": now() + timedelta(hours=1)},
        {"status": Status.COMPLETED},
        {"row": kind_of("restore").row, "archive": "x", "destination": "/x"},
    ],
    ids=["not yet", "ended", "a reader"],
)
def test_nobody_else_does(
    redis: Redis,
    given: Context,
    repository: int,
    mounted: Callable[..., int],
    values: dict[str, Any],
) -> None:
    mounted()
    backup_waits(repository, **values)
    assert mounts.give_way(given, redis) == []


def test_it_takes_no_slot(given: Context, mounted: Callable[..., int], repository: int) -> None:
    mounted()
    elsewhere = Repository(
        name="x", path="/x", place="x", lane="x", status="ready", machine="local"
    )
    Session.add(elsewhere)
    Session.commit()
    backup = Session.get(Job, backup_waits(elsewhere.id))
    assert backup is not None
    alive = {"local": 1}
    lanes = occupied(Session())
    assert reason_to_wait(Session(), Settings(), lanes, alive, backup) is None
    lanes.take("x", backup)
    full = Session.get(Job, backup_waits(repository))
    assert full is not None
    asked = Session.get(Job, add_job(KIND.row, repository_id=None, machine="local"))
    assert asked is not None
    assert reason_to_wait(Session(), Settings(), lanes, alive, asked) is None


def reason(job: int, lanes: Lanes | None = None) -> str | None:
    """Why it waits, on a machine with two workers; each asked for alone, unless with ``lanes``."""
    row = Session.get(Job, job)
    assert row is not None
    known = occupied(Session()) if lanes is None else lanes
    return reason_to_wait(Session(), Settings(), known, {"local": 2}, row)


def test_none_begins_while_a_writer_waits(given: Context, archive: int, repository: int) -> None:
    """However urgent a mount is, and although its readers' lane is free for it."""
    backup_waits(repository, status=Status.RUNNING, admitted_at=now(), row=kind_of("drill").row)
    first = add_job(KIND.row, repository_id=repository, priority_rank=0)
    assert reason(first) is None
    writer = backup_waits(repository)
    assert reason(first) == f"waits for backup #{writer}"
    row = Session.get(Job, writer)
    assert row is not None
    row.not_before = now() + timedelta(hours=1)
    Session.commit()
    assert reason(first) is None


def listing(repository: int, **values: Any) -> int:
    """A refresh that nobody asked for, and that waits."""
    facts = {"trigger": Trigger.CHAIN, "priority_rank": Priority.LOW.rank, **values}
    return add_job(kind="refresh", repository_id=repository, **facts)


def test_a_listing_nobody_asked_for_ends_no_mount(
    redis: Redis, given: Context, repository: int, mounted: Callable[..., int], operator: Someone
) -> None:
    """It waits for it, and neither another mount nor a job behind it waits with it."""
    standing = mounted()
    waiting = listing(repository)
    assert mounts.give_way(given, redis) == []
    lanes = occupied(Session())
    assert reason(waiting, lanes) == f"waits for mount #{standing}"
    behind = add_job(kind="index", repository_id=repository, priority_rank=Priority.LOW.rank)
    another = add_job(KIND.row, repository_id=repository)
    assert reason(behind, lanes) is None
    assert reason(another, lanes) is None
    asked = listing(repository, created_by=operator.id)
    assert mounts.give_way(given, redis) == [standing]
    row: Any = Session.get(KIND.row, standing)
    assert row.gave_way_to == f"refresh #{asked}"


def test_a_listing_nobody_asked_for_keeps_its_place_behind_others(
    given: Context, repository: int
) -> None:
    backup = backup_waits(repository, status=Status.RUNNING, admitted_at=now())
    lanes = occupied(Session())
    waiting = listing(repository)
    assert reason(waiting, lanes) == f"waits for backup #{backup}"
    lanes.holders.clear()
    behind = add_job(kind="index", repository_id=repository, priority_rank=2)
    assert reason(behind, lanes) == f"waits behind refresh #{waiting}"


def test_indexes_are_made_while_a_listing_waits_for_a_mount(
    redis: Redis, given: Context, repository: int, archive: int, mounted: Callable[..., int]
) -> None:
    made = backup_waits(repository, status=Status.COMPLETED)
    row = Session.get(Archive, archive)
    assert row is not None
    row.job_id = made
    Session.commit()
    mounted()
    listing(repository)
    settings = Settings(auto_index=True, auto_index_idle_seconds=0)
    context = Context(Session(), given.config, settings, given.keys)
    index = AutoIndex().consider(context, redis)
    assert index is not None
    index.admitted_at, index.lane = now(), lane_of(index)
    Session.commit()
    assert auto_index.give_way(context, redis, {"local": 2}) == []
    writer = backup_waits(repository)
    assert auto_index.give_way(context, redis, {"local": 2}) == [index.id], writer


def test_there_are_eight_at_most(
    redis: Redis, archive: int, mounted: Callable[..., int], operator: Someone
) -> None:
    """Those that wait count; one more is refused, and begun by the same key again it is not."""
    for number in range(7):
        mounted(status=Status.PENDING if number % 2 else Status.RUNNING)
    place = f"/api/archives/{archive}/mount"
    eighth = operator.api("POST", place, headers={"Idempotency-Key": "k"})
    assert eighth.status_code == 202
    refused = operator.api("POST", place)
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "too_many_mounts")
    page = operator.browser("POST", f"/archives/{archive}/mount", data={"lease_minutes": "60"})
    assert page.status_code == 409
    assert "At most 8 archives are mounted at once." in page.text
    again = operator.api("POST", place, headers={"Idempotency-Key": "k"})
    assert again.json["job_id"] == eighth.json["job_id"]
    answer = operator.api("DELETE", f"/api/mounts/{eighth.json['job_id']}")
    assert answer.status_code == 202
    assert operator.api("POST", place).status_code == 202
    assert operator.api("POST", place).status_code == 409
    retried = operator.api("POST", f"/api/jobs/{eighth.json['job_id']}/retry")
    assert (retried.status_code, retried.json["error"]["code"]) == (409, "too_many_mounts")


@pytest.mark.parametrize("name", ["drill", "diff"])
def test_long_readers_run_one_at_a_time(given: Context, repository: int, name: str) -> None:
    """The second waits for the first, wherever that is, and keeps no writer of its own lane."""
    kind = kind_of(name)
    add_job(kind.row, repository_id=None, status=Status.RUNNING, admitted_at=now())
    second = add_job(kind.row, repository_id=repository)
    backup = backup_waits(repository)
    lanes = occupied(Session())
    words = f"waits: 1 of 1 jobs of the kind {kind.label.lower()} run on local"
    assert reason(second, lanes) == words
    assert reason(backup, lanes) is None


def test_one_that_waits_keeps_nobody_waiting(
    given: Context, mounted: Callable[..., int], repository: int
) -> None:
    """There may be eight at once; the ninth waits, and a backup goes before it."""
    elsewhere = Repository(
        name="x", path="/x", place="x", lane="x", status="ready", machine="local"
    )
    Session.add(elsewhere)
    Session.commit()
    number = elsewhere.id
    for _ in range(8):
        mounted(repository_id=number)
    lanes = occupied(Session())
    asked = Session.get(Job, add_job(KIND.row, repository_id=repository))
    assert asked is not None
    reason = reason_to_wait(Session(), Settings(), lanes, {"local": 1}, asked)
    assert reason == "waits: 8 of 8 jobs of the kind mount run on local"
    backup = Session.get(Job, backup_waits(repository))
    assert backup is not None
    assert reason_to_wait(Session(), Settings(), lanes, {"local": 1}, backup) is None


def test_it_is_no_hindrance_to_what_needs_an_idle_repository(
    redis: Redis, mounted: Callable[..., int], repository: int
) -> None:
    job = mounted()
    row = Session.get(Repository, repository)
    assert row is not None
    started = admission.start(Session(), redis, kind_of("break_lock"), row)
    assert started.id > job
