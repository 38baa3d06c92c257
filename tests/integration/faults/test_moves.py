"""Rows that are moved by several at once, or by nobody: chains, finishers, odd outcomes.

On a real database and a real Redis, by control's own functions.
"""

import base64
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import event, select, text, update

from borgui import live, queueing
from borgui.config import Config
from borgui.control import calls
from borgui.errors import Conflict
from borgui.jobs import admission, kind_of, lanes
from borgui.jobs import reconcile as reconciling
from borgui.jobs.finish import finish, mark_started
from borgui.jobs.freeing import free_lane
from borgui.jobs.job import Job, Priority, Status
from borgui.jobs.kind import Context
from borgui.jobs.view import job_fields
from borgui.models import Repository, Session, Settings, now, schema, write_settings
from borgui.models import session as database
from borgui.security import keys as security_keys
from borgui.security.sealing import Sealer, open_spec
from tests.valkey_server import RedisServer

ALIVE = {"local": 2}


@pytest.fixture
def given(config: Config) -> Iterator[Context]:
    keys = security_keys.load(config)
    engine = database.configure(config.sqlalchemy_url, Sealer(keys))
    schema.upgrade(engine)
    yield Context(session=Session(), config=config, settings=Settings(), keys=keys)
    Session.remove()
    engine.dispose()


@pytest.fixture
def queue(redis_server: RedisServer) -> Redis:
    return queueing.connect(redis_server.url)


def repository(name: str) -> Repository:
    place = Repository.place_of("local", f"/srv/{name}")
    row = Repository(
        name=name,
        path=f"/srv/{name}",
        place=place,
        lane=place,
        status="ready",
        encryption="none",
        source_directories=["/srv/source"],
    )
    Session.add(row)
    Session.commit()
    return row


def add(where: Repository, kind: str = "backup", **values: Any) -> Job:
    job = kind_of(kind).new(repository=where, repository_name=where.name, machine="local", **values)
    Session.add(job)
    Session.commit()
    return job


def chain(where: Repository) -> tuple[Job, Job, Job]:
    """A backup and two steps that follow it."""
    first = add(where)
    second = add(where, "refresh", parent_id=first.id, after_id=first.id)
    third = add(where, "refresh", parent_id=first.id, after_id=second.id)
    return first, second, third


def admit(given: Context, queue: Redis) -> list[int]:
    return admission.admit(given, queue, ALIVE)


def end(given: Context, job: Job, status: str = "completed", **more: Any) -> bool:
    """Its machine says how the present attempt ended."""
    return finish(given, job.id, {"attempt": fresh(job).attempt, "status": status, **more})


def fresh(job: Job) -> Job:
    """The same object as its row is now; a sweep has let go of it."""
    Session.expunge_all()
    Session.add(job)
    Session.refresh(job)
    Session.commit()
    return job


def called(queue: Redis) -> set[str]:
    """The runs that wait in the machine's queues."""
    names = queueing.machine_queues("local")
    return {each for name in names for each in queueing.queue(queue, name).job_ids}


def report(queue: Redis, *jobs: tuple[int, int]) -> None:
    """The machine says now what runs on it."""
    entries = [
        {"job": job, "attempt": attempt, "pid": 4, "start_time": None} for job, attempt in jobs
    ]
    values = {"reported_at": live.timestamp(), "live": entries, "outcomes": [], "workers": 2}
    queue.hset(live.machine_key("local"), mapping=live.encode(values))


# --- chains ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_chain_stops_where_a_step_does_not_complete(
    given: Context, queue: Redis, status: str
) -> None:
    first, second, third = chain(repository("one"))
    assert admit(given, queue) == [first.id]
    assert end(given, first, status)
    for step in (second, third):
        fresh(step)
        assert (step.status, step.error_code) == (Status.CANCELLED, "chain_stopped")
        assert step.completed_at
    assert f"Backup #{first.id}" in (second.error_message or "")
    assert f"Refresh #{second.id}" in (third.error_message or "")
    assert admit(given, queue) == []


def test_a_cancelled_step_takes_what_follows_with_it(given: Context, queue: Redis) -> None:
    first, second, third = chain(repository("one"))
    admit(given, queue)
    admission.cancel(Session(), queue, second)
    assert (fresh(second).status, second.error_code) == (Status.CANCELLED, None)
    assert (fresh(third).status, third.error_code) == (Status.CANCELLED, "chain_stopped")
    assert fresh(first).status == Status.PENDING


def test_a_chain_keeps_its_lane_between_its_steps(given: Context, queue: Redis) -> None:
    """Even against a job of high priority; another repository's goes on."""
    where, elsewhere = repository("one"), repository("two")
    first, second, third = chain(where)
    admit(given, queue)
    urgent = add(where, priority_rank=Priority.HIGH.rank)
    other = add(elsewhere)
    assert admit(given, queue) == [other.id]
    assert fresh(urgent).wait_reason == f"waits for backup #{first.id}"
    assert fresh(second).wait_reason == f"follows backup #{first.id}"
    end(given, first)
    assert admit(given, queue) == [second.id]
    assert fresh(urgent).wait_reason == f"waits for the steps that follow job #{first.id}"
    end(given, second)
    assert admit(given, queue) == [third.id]
    end(given, third)
    assert admit(given, queue) == [urgent.id]


def test_a_chain_follows_the_later_try(given: Context, queue: Redis) -> None:
    where = repository("one")
    first, second, third = chain(where)
    admit(given, queue)
    end(given, first, "failed", retryable=True, error_code="lock_timeout")
    (again,) = Session.scalars(select(Job).where(Job.retry_of == first.id)).all()
    assert (again.tries, fresh(second).after_id) == (1, again.id)
    assert again.not_before is not None
    assert again.not_before > now()
    waiting = add(where)
    assert admit(given, queue) == [waiting.id], "the pause keeps no lane"
    end(given, waiting)
    assert admit(given, queue) == []
    assert (fresh(again).wait_reason or "").startswith("tries again at")
    again.not_before = now()
    Session.commit()
    assert admit(given, queue) == [again.id]
    end(given, again)
    assert admit(given, queue) == [second.id]
    end(given, second)
    assert admit(given, queue) == [third.id]


def test_the_last_try_stops_the_chain(given: Context, queue: Redis) -> None:
    first, second, _third = chain(repository("one"))
    job, limit = first, given.settings.retry_limit
    for tries in range(limit + 1):
        job.not_before = None
        Session.commit()
        assert admit(given, queue) == [job.id]
        assert job.tries == tries
        end(given, job, "failed", retryable=True)
        later = Session.scalars(select(Job).where(Job.retry_of == job.id)).all()
        assert len(later) == (tries < limit)
        job = later[0] if later else job
    assert fresh(second).error_code == "chain_stopped"


# --- several at once ------------------------------------------------------------------------------


def test_only_the_first_of_two_finishers_counts(given: Context, queue: Redis) -> None:
    job = add(repository("one"))
    admit(given, queue)
    assert not finish(given, job.id, {"attempt": 7, "status": "failed"}), "another attempt"
    assert fresh(job).is_active
    assert end(given, job, "completed")
    assert not end(given, job, "failed", error_code="worker_killed")
    assert (fresh(job).status, job.error_code) == (Status.COMPLETED, None)
    assert not mark_started(Session(), job.id, job.attempt, {}), "nor a late word of its start"


def test_finishers_at_the_same_moment(given: Context, queue: Redis) -> None:
    where = repository("one")
    for _ in range(10):
        job = add(where)
        admit(given, queue)
        gate = threading.Barrier(4)
        ended: list[bool] = []

        def finisher(status: str, job: Job = job, gate: Any = gate, ended: Any = ended) -> None:
            own = Context(Session(), given.config, given.settings, given.keys)
            gate.wait()
            ended.append(finish(own, job.id, {"attempt": 1, "status": status, "retryable": True}))
            Session.remove()

        statuses = ("completed", "failed", "failed", "cancelled")
        threads = [threading.Thread(target=finisher, args=(each,)) for each in statuses]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(ended) == [False, False, False, True]
        tries = Session.scalars(select(Job).where(Job.retry_of == job.id)).all()
        assert len(tries) == (fresh(job).status == Status.FAILED)
        Session.execute(update(Job).where(Job.retry_of == job.id).values(status=Status.CANCELLED))
        Session.commit()


def test_cancel_against_admission(given: Context, queue: Redis) -> None:
    """A job is cancelled and never handed over, or handed over with the wish to cancel."""
    jobs = [add(repository(f"r{number}")).id for number in range(12)]
    gate = threading.Barrier(2)

    def canceller() -> None:
        gate.wait()
        for job_id in jobs:
            admission.cancel(Session(), queue, Session.get_one(Job, job_id))
            Session.remove()

    thread = threading.Thread(target=canceller)
    thread.start()
    gate.wait()
    for _ in range(8):
        admission.admit(given, queue, {"local": 100})
    thread.join()
    Session.expire_all()
    queued = called(queue)
    for job_id in jobs:
        job = Session.get_one(Job, job_id)
        is_called = queueing.run_id(job_id, 1) in queued
        if job.status == Status.CANCELLED:
            assert not is_called
        else:
            assert job.cancel_requested_at
            assert is_called
            assert live.is_cancelled(queue.get(live.cancel_key(job_id)), 1)


def test_a_job_is_prepared_by_settings_no_older_than_itself(given: Context, queue: Redis) -> None:
    """Roots may be narrowed, and the job started, after a call of control has read the settings."""
    write_settings(Session(), {"source_roots": ["/srv/source"]})
    job = add(repository("one"))
    assert admit(given, queue) == [job.id]
    call = queueing.queue(queue, "local-default").fetch_job(queueing.run_id(job.id, 1))
    assert call is not None
    spec = open_spec(call.args[2], given.keys.transport("local"), job.id, 1, "local")
    roots = spec["steps"][0]["parameters"]["roots_b64"]
    assert [base64.b64decode(root) for root in roots] == [b"/srv/source"]


# --- what no worker should say, and control must outlive ------------------------------------------


def test_an_outcome_with_halves_of_characters_is_taken(given: Context, queue: Redis) -> None:
    """Names that are no UTF-8 come as such; SQLite has no text for them."""
    job = add(repository("one"))
    admit(given, queue)
    odd = "caf\udce9\0"
    assert end(
        given,
        job,
        "failed",
        error_message=f"no {odd}",
        command=odd,
        log=odd,
        warnings=[{"path": odd, "message": odd, "msgid": None}],
        warning_count=1,
        progress={"current_file": odd},
    )
    assert (fresh(job).error_message, job.current_file) == ("no caf??", "caf??")


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "bogus"},
        {"status": None},
        {"warnings": "none"},
        {"warning_count": 2**70},
        {"progress": {"nfiles": 2**70}},
        {"result": {"create": {"archive": 7}}},
        {"result": []},
    ],
)
def test_an_outcome_that_makes_no_sense_ends_its_job(
    given: Context, queue: Redis, wrong: dict[str, Any]
) -> None:
    """It would come again for ever, and its lane would never be free."""
    where = repository("one")
    job, following = add(where), add(where).id
    admit(given, queue)
    outcome = {"attempt": 1, "status": "completed", "machine": "local"} | wrong
    reconciling.settle_outcome(given, queue, job.id, outcome)
    assert not fresh(job).is_active
    assert f"{job.id}:1" in live.acknowledged(queue, "local")
    assert admit(given, queue) == [following]


@pytest.mark.parametrize(
    ("column", "value", "code", "said", "seen"),
    [
        ("passphrase", "x", "key_changed", "enter the passphrase again", None),
        (
            "exclude_if_present",
            "5",
            "internal_error",
            "Error",
            "borgui itself failed to prepare this job.",
        ),
    ],
)
def test_a_job_that_cannot_be_prepared_stops_only_its_own(
    given: Context, queue: Redis, column: str, value: str, code: str, said: str, seen: str | None
) -> None:
    broken, whole = repository("one"), repository("two")
    jobs = add(broken), add(whole)
    damage = f"UPDATE repositories SET {column} = '{value}' WHERE name = 'one'"
    Session.execute(text(damage))
    Session.commit()
    Session.expunge_all()
    assert admit(given, queue) == [jobs[1].id]
    failed = Session.get_one(Job, jobs[0].id)
    assert (failed.status, failed.error_code) == (Status.FAILED, code)
    assert failed.completed_at
    assert said in str(failed.error_message)
    shown = job_fields(failed, browse=False)["error_message"]
    assert shown == (seen or failed.error_message)


def test_what_borg_cannot_be_given_is_refused_with_the_reason(given: Context, queue: Redis) -> None:
    where = repository("one")
    where.one_file_system = True
    where.source_directories = [os.fsdecode(b"/srv/odd-\xff")]
    Session.commit()
    job, whole = add(where), add(repository("two"))
    assert admit(given, queue) == [whole.id]
    assert (fresh(job).status, job.error_code) == (Status.FAILED, "command_refused")
    assert str(job.error_message).startswith("One file system cannot be combined with")
    assert job_fields(job, browse=False)["error_message"] == job.error_message


def test_what_was_done_besides_is_kept_and_not_counted(given: Context, queue: Redis) -> None:
    job = add(repository("one"))
    admit(given, queue)
    warning = {"path": "/x", "message": "gone", "msgid": None}
    end(given, job, warnings=[warning], warning_count=1, notes=["A stale lock was removed."])
    assert fresh(job).warning_count == 1
    note = {"path": None, "message": "A stale lock was removed.", "msgid": "borgui.note"}
    assert job.warnings == [warning, note]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_an_ended_job_has_no_time_left(given: Context, queue: Redis, status: str) -> None:
    job = add(repository("one"))
    admit(given, queue)
    end(given, job, status, progress={"nfiles": 7, "eta_seconds": 12})
    found = job_fields(fresh(job), browse=True)
    assert (found["nfiles"], found["eta_seconds"]) == (7, None)


# --- reconcile ------------------------------------------------------------------------------------


def sweep(given: Context, queue: Redis, memory: reconciling.Memory, *jobs: Any) -> list[int]:
    """A report of the machine, and a look at it."""
    report(queue, *jobs)
    return reconciling.reconcile(given, queue, memory)


def test_a_job_that_vanished_is_failed_when_several_reports_miss_it(
    given: Context, queue: Redis
) -> None:
    memory = reconciling.Memory()
    job = add(repository("one"))
    admit(given, queue)
    mark_started(Session(), job.id, 1, {})
    queue.flushall()
    assert sweep(given, queue, memory, (job.id, 1)) == []
    for _ in range(5):
        assert reconciling.reconcile(given, queue, memory) == [], "one report, seen five times"
    sweep(given, queue, memory)
    for _ in range(5):
        assert reconciling.reconcile(given, queue, memory) == [], "one report, seen five times"
    sweep(given, queue, memory, (job.id, 1))
    found = [sweep(given, queue, memory) for _ in range(3)]
    assert found == [[], [], [job.id]]
    assert (fresh(job).error_code, job.error_message) == ("worker_killed", "The worker was killed.")
    state = live.read(queue, job.id)
    assert state is not None
    assert state.status == "failed", "who looks at the hash alone must see it too"
    assert 0 < queue.ttl(live.job_key(job.id)) <= live.DAY


def test_nothing_is_failed_soon_after_redis_was_emptied(given: Context, queue: Redis) -> None:
    memory = reconciling.Memory()
    job = add(repository("one"))
    admit(given, queue)
    mark_started(Session(), job.id, 1, {})
    sweep(given, queue, memory, (job.id, 1))
    queue.flushall()
    assert [sweep(given, queue, memory) for _ in range(6)] == [[]] * 6
    memory.redis_changed_at = now() - reconciling.GRACE
    assert sweep(given, queue, memory) == [job.id]


def test_a_lost_call_is_void_before_it_is_handed_over_again(given: Context, queue: Redis) -> None:
    """Whoever still holds the first call must see that another attempt counts."""
    memory = reconciling.Memory()
    job = add(repository("one"))
    admit(given, queue)
    sweep(given, queue, memory)
    assert memory.missing == {}, "it is still in the queue"
    queueing.queue(queue, "local-default").empty()
    attempts = []
    for _ in range(6):
        sweep(given, queue, memory)
        state = live.read(queue, job.id)
        attempts.append((state.attempt if state else None, fresh(job).admitted_at is None))
    assert attempts.index((2, False)) < attempts.index((2, True))
    assert admit(given, queue) == [job.id]
    assert fresh(job).attempt == 2
    assert called(queue) == {queueing.run_id(job.id, 2)}


def test_a_lost_call_of_a_job_to_be_cancelled_ends_it(given: Context, queue: Redis) -> None:
    memory = reconciling.Memory()
    job = add(repository("one"))
    admit(given, queue)
    admission.cancel(Session(), queue, job)
    queueing.queue(queue, "local-default").empty()
    for _ in range(6):
        sweep(given, queue, memory)
    assert (fresh(job).status, job.error_code) == (Status.CANCELLED, None)


def test_a_call_that_is_never_begun_is_given_up(given: Context, queue: Redis) -> None:
    memory = reconciling.Memory()
    job = add(repository("one"))
    for _ in range(reconciling.MOST_ATTEMPTS):
        assert admit(given, queue) == [job.id]
        queueing.queue(queue, "local-default").empty()
        for _ in range(6):
            sweep(given, queue, memory)
    assert (fresh(job).status, job.error_code) == (Status.FAILED, "not_started")


def test_the_lane_of_a_silent_machine_is_kept(given: Context, queue: Redis) -> None:
    """Its job is failed in time, but borg may still run there: nobody else gets the lane."""
    memory = reconciling.Memory()
    where = repository("one")
    job, following = add(where), add(where)
    admit(given, queue)
    mark_started(Session(), job.id, 1, {})
    sweep(given, queue, memory, (job.id, 1))
    queue.delete(live.machine_key("local"))
    assert reconciling.reconcile(given, queue, memory) == []
    memory.began_at = memory.heard["local"] = now() - reconciling.SILENCE - timedelta(seconds=1)
    assert reconciling.reconcile(given, queue, memory) == [job.id]
    assert (fresh(job).error_code, job.lane_held) == ("machine_silent", True)
    assert admit(given, queue) == []
    silent = f"waits for backup #{job.id}, whose machine is silent"
    assert fresh(following).wait_reason == silent
    sweep(given, queue, memory, (job.id, 1))
    assert admit(given, queue) == [], "it runs there, as was feared"
    sweep(given, queue, memory)
    assert not fresh(job).lane_held
    assert admit(given, queue) == [following.id]


def test_a_machine_whose_workers_are_gone_is_given_nothing(given: Context, queue: Redis) -> None:
    calls.configure(given.config, given.keys, queue)
    job = add(repository("one"))
    report(queue)
    for workers, reason in ((0, "waits for a worker: none runs on local"), ("", None)):
        queue.hset(live.machine_key("local"), "workers", workers)
        calls.admit()
        assert fresh(job).wait_reason == reason
    assert job.admitted_at is not None, "as many as are configured, where it does not say"


def test_jobs_that_wait_for_the_same_are_told_by_one_statement(
    given: Context, queue: Redis
) -> None:
    """Each statement is time for which the write lock is kept from who starts the next."""
    jobs = [add(repository(f"r{number}")) for number in range(6)]
    told: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "SET wait_reason" in statement:
            told.append(statement)

    event.listen(database.engine(), "before_cursor_execute", note)
    assert admit(given, queue) == [job.id for job in jobs[:2]]
    assert [job.wait_reason for job in jobs[2:]] == ["waits for a free worker (2 of 2 busy)"] * 4
    assert admit(given, queue) == []
    assert len(told) == 1
    assert [fresh(job).wait_reason for job in jobs] == [None] * 2 + [jobs[2].wait_reason] * 4


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_a_silent_machine_has_not_fetched_waits_again(
    given: Context, queue: Redis, cancelled: bool
) -> None:
    """It says why, can be cancelled, and keeps nobody waiting who need not."""
    memory = reconciling.Memory()
    job = add(repository("one"))
    admit(given, queue)
    reconciling.reconcile(given, queue, memory)
    assert fresh(job).status == Status.PENDING
    if cancelled:
        admission.cancel(Session(), queue, job)
    else:
        memory.began_at = now() - reconciling.SILENCE - timedelta(seconds=1)
    assert reconciling.reconcile(given, queue, memory) == ([job.id] if cancelled else [])
    assert called(queue) == set()
    if cancelled:
        assert fresh(job).status == Status.CANCELLED
        return
    assert fresh(job).admitted_at is None
    assert admission.admit(given, queue, {}) == []
    assert fresh(job).wait_reason == "waits for a worker: none answers on local"
    assert admit(given, queue) == [job.id]
    assert (called(queue), fresh(job).attempt) == ({queueing.run_id(job.id, 2)}, 2)


def test_what_a_silent_machine_has_fetched_may_run_there(given: Context, queue: Redis) -> None:
    memory = reconciling.Memory()
    job = add(repository("one"))
    admit(given, queue)
    queueing.queue(queue, "local-default").empty()
    memory.notice(reconciling.redis_identity(queue))
    memory.began_at = now() - reconciling.SILENCE - timedelta(seconds=1)
    assert reconciling.reconcile(given, queue, memory) == [job.id]
    assert (fresh(job).error_code, job.lane_held) == ("machine_silent", True)


def test_an_admin_frees_the_lane_of_a_silent_machine(given: Context, queue: Redis) -> None:
    memory = reconciling.Memory()
    where = repository("one")
    job, following = add(where), add(where)
    with pytest.raises(Conflict, match="holds no repository"):
        free_lane(Session(), queue, job, by="ann")
    admit(given, queue)
    mark_started(Session(), job.id, 1, {})
    sweep(given, queue, memory, (job.id, 1))
    queue.delete(live.machine_key("local"))
    memory.began_at = memory.heard["local"] = now() - reconciling.SILENCE - timedelta(seconds=1)
    assert reconciling.reconcile(given, queue, memory) == [job.id]
    sweep(given, queue, memory, (job.id, 1))
    with pytest.raises(Conflict, match="answers again"):
        free_lane(Session(), queue, fresh(job), by="ann")
    queue.delete(live.machine_key("local"))
    free_lane(Session(), queue, fresh(job), by="ann")
    assert (fresh(job).lane_held, job.status) == (False, Status.FAILED)
    assert "until an admin frees it" in str(job.error_message)
    assert "ann freed the repository at 20" in str(job.error_message)
    assert admit(given, queue) == [following.id]
    with pytest.raises(Conflict, match="holds no repository"):
        free_lane(Session(), queue, fresh(job), by="ann")


def test_one_row_that_cannot_be_settled_keeps_no_other_from_it(
    given: Context, queue: Redis
) -> None:
    memory = reconciling.Memory()
    jobs = [add(repository(f"r{number}")) for number in range(2)]
    admit(given, queue)
    for job in jobs:
        mark_started(Session(), job.id, 1, {})
    queue.hset(live.job_key(jobs[0].id), "outcome", '{"attempt": 1, "machine": "local"}')
    queue.hset(
        live.job_key(jobs[1].id),
        "outcome",
        '{"attempt": 1, "machine": "local", "status": "completed"}',
    )
    sweep(given, queue, memory)
    assert [fresh(job).status for job in jobs] == [Status.FAILED, Status.COMPLETED]


def test_time_that_is_up_is_no_fault_of_the_job(
    given: Context, queue: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control's calls have a time limit; where it strikes says nothing of the job at hand."""
    job = add(repository("one"))
    admit(given, queue)
    waiting = add(repository("two"))

    def slow(*_given: object) -> None:
        raise queueing.TimeUp

    outcome = {"attempt": 1, "machine": "local", "status": "completed"}
    with monkeypatch.context() as patch:
        patch.setattr(reconciling, "finish", slow)
        with pytest.raises(queueing.TimeUp):
            reconciling.settle_outcome(given, queue, job.id, outcome)
        patch.setattr(admission, "seal_spec", slow)
        with pytest.raises(queueing.TimeUp):
            admit(given, queue)
        Session.rollback()
    assert (fresh(job).status, fresh(waiting).status) == (Status.PENDING, Status.PENDING)
    assert reconciling.settle_outcome(given, queue, job.id, outcome)
    assert fresh(job).status == Status.COMPLETED
    assert admit(given, queue) == [waiting.id]


def test_a_sweep_holds_no_lock_when_it_ends(given: Context, queue: Redis) -> None:
    """Control waits for Redis between its calls; whoever writes must not wait with it."""
    memory = reconciling.Memory()
    job = add(repository("one"))
    admit(given, queue)
    mark_started(Session(), job.id, 1, {})
    for _ in range(4):
        sweep(given, queue, memory)
        assert not Session().in_transaction()
    Session.rollback()
    assert not fresh(job).is_active


def test_what_control_asks_every_few_seconds_reads_no_history(given: Context) -> None:
    statements: list[tuple[str, Any]] = []
    session = Session()
    engine = session.get_bind()

    def note(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        statements.append((sql, values))

    event.listen(engine, "before_cursor_execute", note)
    lanes.taken(session)
    lanes.waiting(session)
    event.remove(engine, "before_cursor_execute", note)
    connection = session.connection()
    for sql, values in statements:
        if sql.startswith("SELECT"):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            assert not [row for row in plan if "SCAN" in row[3] and "jobs" in row[3]], (sql, plan)


# --- who starts jobs does not wait for who admits them -------------------------------------------


def test_who_cannot_be_prepared_keeps_nobody_from_the_lane(given: Context, queue: Redis) -> None:
    where = repository("one")
    where.source_directories = []
    Session.commit()
    refused, behind = add(where), add(where, "refresh")
    assert admit(given, queue) == [behind.id]
    assert (fresh(refused).status, refused.error_code) == (Status.FAILED, "no_sources")
    assert fresh(behind).wait_reason is None


def test_a_look_at_what_waits_takes_no_write_lock(given: Context, queue: Redis) -> None:
    """In a burst of starts control looks after each; it writes only what it has to say."""
    where = repository("one")
    running, waits = add(where), add(where)
    assert admit(given, queue) == [running.id]
    engine = given.session.connection().engine
    given.session.rollback()
    with engine.begin():  # has the lock; who wants it too fails after ten seconds
        assert admit(given, queue) == []
    assert fresh(waits).wait_reason == f"waits for backup #{running.id}"
