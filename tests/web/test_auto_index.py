"""Which archives are indexed unasked."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select

from borgui.config import Config
from borgui.jobs import lanes
from borgui.jobs.auto_index import AutoIndex, give_way
from borgui.jobs.finish import finish
from borgui.jobs.job import Job, Priority, Status
from borgui.jobs.kind import Context
from borgui.models import Archive, Repository, Session, now
from borgui.models.setting import Settings
from borgui.security import keys
from tests.web.world import add_archive, add_job, add_user


@pytest.fixture
def given(app: Flask, config: Config) -> Context:
    settings = Settings(auto_index=True, auto_index_idle_seconds=0)
    return Context(Session(), config, settings, keys.load(config))


@pytest.fixture
def archive(given: Context, repository: int) -> int:
    """Made since the repository is known here, by a backup whose row is gone."""
    return add_archive(repository)


def considered(given: Context, redis: Redis) -> int | None:
    """The archive that is indexed next."""
    job = AutoIndex().consider(given, redis)
    return None if job is None else job.options["archive_id"]


def failed(repository: int, archive: int, ago: timedelta, **values: Any) -> None:
    options = {"archive_id": archive, **values.get("options", {})}
    facts = {"status": Status.FAILED, "completed_at": now() - ago, **values, "options": options}
    add_job(kind="index", repository_id=repository, **facts)


def test_an_archive_whose_backup_is_no_longer_kept(
    given: Context, redis: Redis, archive: int
) -> None:
    assert considered(given, redis) == archive


def test_an_archive_older_than_the_repository_is_known(
    given: Context, redis: Redis, repository: int, archive: int
) -> None:
    Session.get_one(Archive, archive).start = Session.get_one(
        Repository, repository
    ).created_at - timedelta(days=1)
    Session.commit()
    assert considered(given, redis) is None


def test_it_asks_as_often_for_many_archives_as_for_one(
    given: Context, redis: Redis, repository: int, statements: list[str]
) -> None:
    for number in range(20):
        borg_id = f"{number:064x}"
        Session.add(Archive(repository_id=repository, borg_id=borg_id, name="more", start=now()))
    Session.commit()
    statements.clear()
    assert considered(given, redis) is not None
    assert 0 < len(statements) < 20


HOUR, DAYS = timedelta(hours=1), timedelta(days=2)


@pytest.mark.parametrize(
    ("ends", "is_due"),
    [
        ([(HOUR, {"error_code": "worker_killed"})], False),
        ([(HOUR, {"error_code": "stopped"}), (HOUR, {"error_code": "restarted"})], True),
        ([(DAYS, {"error_code": "index_unwritable"})], True),
        ([(DAYS, {"error_code": "index_unwritable"})] * 3, False),
        ([(DAYS, {"status": Status.CANCELLED})], False),
        ([(HOUR, {"status": Status.CANCELLED, "options": {"gave_way": True}})], True),
    ],
)
def test_what_has_failed_is_tried_again(
    given: Context,
    redis: Redis,
    repository: int,
    archive: int,
    ends: list[tuple[timedelta, dict[str, Any]]],
    is_due: bool,
) -> None:
    for ago, values in ends:
        failed(repository, archive, ago, **values)
    assert (considered(given, redis) == archive) is is_due


@pytest.mark.parametrize("is_somebodys", [False, True])
def test_its_later_try_gives_way_and_that_of_a_person_does_not(
    given: Context, redis: Redis, repository: int, archive: int, is_somebodys: bool
) -> None:
    person = add_user("ann", "operator") if is_somebodys else None
    first = add_job(
        kind="index",
        repository_id=repository,
        status=Status.RUNNING,
        attempt=1,
        admitted_at=now(),
        priority_rank=Priority.LOW.rank,
        created_by=person,
        options={"archive_id": archive},
    )
    assert finish(given, first, {"attempt": 1, "status": "failed", "retryable": True})
    again = given.session.scalars(select(Job).where(Job.retry_of == first)).one()
    again.admitted_at, again.lane = now(), lanes.lane_of(again)
    given.session.commit()
    add_job(kind="backup", repository_id=repository, lane=lanes.lane_of(again))
    asked = give_way(given, redis, {"local": 2})
    assert asked == ([] if is_somebodys else [again.id])


def test_it_looks_again_when_nothing_has_ended(
    given: Context, redis: Redis, repository: int, archive: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(repository, archive, HOUR)
    unasked = AutoIndex()
    assert unasked.consider(given, redis) is None
    failed_at = Session.query(Job).one()
    failed_at.completed_at = now() - DAYS
    Session.commit()
    assert unasked.consider(given, redis) is None
    monkeypatch.setattr("borgui.jobs.auto_index.LOOK_AGAIN_SECONDS", 0)
    assert unasked.consider(given, redis) is not None
