"""kill -9 of each process, at each step of a job's way. Archives are counted by borg itself."""

import pytest

from tests.integration.faults.havoc import (
    SETTLED,
    Place,
    announced,
    at_work,
    child,
    children,
    frozen,
    gone,
    horse,
    kill,
    outcome_of,
    running,
    settled,
    was_killed,
)
from tests.integration.product import Product, wait_for

# --- while borg runs ------------------------------------------------------------------------------


def test_horse(product: Product, large: Place) -> None:
    job = large.back_up()
    borg = at_work(large, job)
    kill(horse(product, job))
    gone(borg, 15)
    was_killed(settled(product, job))
    assert large.archives() == []


def test_worker(product: Product, large: Place) -> None:
    job = large.back_up()
    borg = at_work(large, job)
    worker = horse(product, job).parent()
    assert worker is not None
    kill(worker)
    gone(borg, 15)
    was_killed(settled(product, job))
    assert large.archives() == []
    wait_for(lambda: len(children(product, "worker")) == 2, 10, "no new worker")
    assert "was ended by SIGKILL; it is started again in" in product.said


def test_borg_itself(product: Product, large: Place) -> None:
    """Its stale lock is in nobody's way."""
    job = large.back_up()
    kill(at_work(large, job))
    ended = settled(product, job)
    assert (ended["status"], ended["error_code"]) == ("failed", "killed_by_signal")
    assert (large.path / "lock.exclusive").exists()
    again = product.wait_job(large.back_up(), "running", "failed", "completed")
    assert again["status"] == "running"
    product.post(f"/api/jobs/{again['id']}/cancel")
    settled(product, again["id"])


def test_supervisor(product: Product, large: Place) -> None:
    """Everything ends with it; a second start a moment later works, and settles what was lost."""
    job = large.back_up()
    borg = at_work(large, job)
    everything = product.tree()
    kill(everything[0])
    assert product.process is not None
    product.process.wait(5)
    product.output.close()
    product.start()
    was_killed(settled(product, job))
    gone(borg, 1)
    for each in everything:
        gone(each, 15)
    assert large.archives() == []


def test_everything(product: Product, large: Place, small: Place, tiny: Place) -> None:
    """One job runs, one has ended and control does not know it yet, one is only a row."""
    before = len(tiny.archives())
    cut_off, ended = large.back_up(), small.back_up()
    borg = at_work(large, cut_off)
    running(product, ended)
    child(product, "control").suspend()
    assert outcome_of(product, ended)["status"] == "completed"
    waiting = tiny.back_up()
    assert [product.job(each)["status"] for each in (cut_off, ended, waiting)] == [
        "running",
        "running",
        "pending",
    ]
    product.kill_all()
    product.start()
    lost = settled(product, cut_off)
    assert lost["error_message"] == "borgui was restarted while this job ran."
    gone(borg, 1)
    done = settled(product, ended)
    assert (done["status"], done["nfiles"]) == ("completed", 4)
    assert small.archives() == [done["archive_name"]]
    assert small.known() == 1
    assert settled(product, waiting)["status"] == "completed"
    assert len(tiny.archives()) == before + 1
    assert large.archives() == []


def test_the_repository_of_all_these_is_whole(product: Product, large: Place) -> None:
    """After every kill above a backup of a smaller source completes and is the only one."""
    folder = large.path.parent / "a letter"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear borg")
    change = {"source_directories": [str(folder)]}
    before = product.get(f"/api/repositories/{large.id}").json["source_directories"]
    assert product.request("PUT", f"/api/repositories/{large.id}", change).status == 200
    job = large.works()
    assert large.archives() == [job["archive_name"]]
    assert large.known() == 1
    change = {"source_directories": before}
    assert product.request("PUT", f"/api/repositories/{large.id}", change).status == 200


@pytest.mark.parametrize("role", ["control", "web", "scheduler", "redis"])
def test_what_borg_does_not_need(product: Product, small: Place, role: str) -> None:
    """The backup goes on, ends well, and is recorded once."""
    job = small.back_up()
    with frozen(at_work(small, job)):
        victim = child(product, role)
        orphans = victim.children(recursive=True)
        kill(victim)
        for each in orphans:  # gunicorn's workers notice within a second
            gone(each, 10)
        wait_for(lambda: bool(children(product, role)), 10, f"no new {role}")
    product.wait_healthy()
    ended = settled(product, job, 60)
    assert ended["status"] == "completed", ended
    assert small.archives() == [ended["archive_name"]]
    assert small.known() == 1


# --- between two steps of its way -----------------------------------------------------------------


def test_control_dead_before_the_enqueue(product: Product, tiny: Place) -> None:
    before = len(tiny.archives())
    control = child(product, "control")
    control.suspend()
    job = tiny.back_up()
    assert product.job(job)["status"] == "pending"
    kill(control)
    assert settled(product, job)["status"] == "completed"
    assert len(tiny.archives()) == before + 1


def test_workers_that_never_start_what_they_were_given(
    product: Product, tiny: Place, small: Place
) -> None:
    """Redis has given each of two workers a call. One is killed, one sleeps and wakes much later:
    both jobs are handed over again, and what the sleeper holds is void."""
    before = len(tiny.archives())
    killed, sleeper = children(product, "worker")
    with frozen(killed, sleeper):
        jobs = tiny.back_up(), small.back_up()
        for job in jobs:
            announced(product, job)
        kill(killed)
        for job in jobs:
            assert settled(product, job, SETTLED + 10)["status"] == "completed"
    product.wait_healthy()
    wait_for(lambda: sleeper.status() == "sleeping" and not sleeper.children(), 10, "still busy")
    assert len(tiny.archives()) == before + 1
    assert len(small.archives()) == 1
    tiny.works()


def test_control_killed_between_admission_and_start(product: Product, tiny: Place) -> None:
    before = len(tiny.archives())
    with frozen(*children(product, "worker")):
        job = tiny.back_up()
        announced(product, job)
        kill(child(product, "control"))
    assert settled(product, job)["status"] == "completed"
    assert len(tiny.archives()) == before + 1


def test_control_killed_between_outcome_and_finish(product: Product, small: Place) -> None:
    job = small.back_up()
    running(product, job)
    control = child(product, "control")
    control.suspend()
    assert outcome_of(product, job)["status"] == "completed"
    assert product.job(job)["status"] == "running"
    kill(control)
    ended = settled(product, job)
    assert ended["status"] == "completed"
    assert small.archives() == [ended["archive_name"]]
    assert small.known() == 1
