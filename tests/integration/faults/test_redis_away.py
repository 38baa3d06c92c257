"""Redis stopped, and emptied: it costs live progress, never a job, and never makes a second run."""

import time

from tests.integration.faults.havoc import (
    Place,
    announced,
    at_work,
    child,
    children,
    frozen,
    horse,
    settled,
)
from tests.integration.product import Product, wait_for

STOPPED_SECONDS = 20


def test_stopped_for_20_seconds_while_borg_runs(
    product: Product, small: Place, tiny: Place
) -> None:
    """Borg goes on, pages are served, what needs the queue answers 503, and nothing is lost."""
    job = small.back_up()
    borg = at_work(small, job)
    total = product.get("/api/jobs?per_page=1").json["total"]
    supervised = {each.pid for role in ("control", "worker") for each in children(product, role)}
    with frozen(child(product, "redis")):
        back = time.monotonic() + STOPPED_SECONDS
        refused = product.post("/api/backup/run", {"repository_id": tiny.id})
        assert (refused.status, refused.json["error"]["code"]) == (503, "queue_unavailable")
        began = time.monotonic()
        assert product.get(f"/api/jobs/{job}").json["status"] == "running"
        assert product.get(f"/jobs/{job}").status in {200, 302, 401}
        assert time.monotonic() - began < 10
        wait_for(lambda: not borg.is_running(), 60, "borg does not go on without Redis")
        # the database is not held by anyone who waits for Redis
        began = time.monotonic()
        assert product.request("PUT", "/api/settings", {"retry_limit": 3}).status == 200
        assert time.monotonic() - began < 9
        wait_for(lambda: time.monotonic() > back, STOPPED_SECONDS + 5, "")
    ended = settled(product, job)
    assert ended["status"] == "completed", ended
    assert small.archives() == [ended["archive_name"]]
    assert small.known() == 1
    assert product.get("/api/jobs?per_page=1").json["total"] == total
    wait_for(lambda: product.get("/health").status == 200, 20, "not healthy again")
    # All that waited for Redis waits still: nobody had to be started again.
    now = {each.pid for role in ("control", "worker") for each in children(product, role)}
    assert now == supervised
    tiny.works()


def test_emptied_while_borg_runs(product: Product, small: Place) -> None:
    """No second run, no false failure, and the progress is back at once."""
    job = small.back_up()
    with frozen(at_work(small, job)):
        product.redis().flushall()
        key = f"borgui:job:{job}"
        wait_for(lambda: bool(product.redis().hget(key, "pid")), 10, "no progress")
        assert horse(product, job).is_running()
        # two sweeps and more see a queue that has nothing of it
        sweeps = time.monotonic() + 12
        wait_for(lambda: time.monotonic() > sweeps, 20, "")
        assert product.job(job)["status"] == "running"
        product.redis().flushall()
    ended = settled(product, job, 60)
    assert (ended["status"], ended["error_code"]) == ("completed", None)
    assert small.archives() == [ended["archive_name"]]
    assert small.known() == 1


def test_emptied_between_outcome_and_finish(product: Product, small: Place) -> None:
    """The outcome is on the machine's disk until control has it."""
    job = small.back_up()
    at_work(small, job)
    with frozen(child(product, "control")):
        path = product.data_dir / "run" / f"{job}.outcome.json"
        wait_for(path.exists, 60, "no outcome")
        product.redis().flushall()
    ended = settled(product, job)
    assert ended["status"] == "completed", ended
    assert small.archives() == [ended["archive_name"]]
    wait_for(lambda: not path.exists(), 15, "the outcome is not acknowledged")


def test_emptied_with_jobs_admitted_and_pending(
    product: Product, small: Place, tiny: Place
) -> None:
    """One is handed over but not begun, one waits for its lane: both run, each once."""
    before = len(tiny.archives())
    with frozen(*children(product, "worker")):
        jobs = [small.back_up(), tiny.back_up(), tiny.back_up()]
        for job in jobs[:2]:
            announced(product, job)
        product.redis().flushall()
        # What a worker has in its hands now is the name of a call that is gone.
    for job in jobs:
        assert settled(product, job, 60)["status"] == "completed"
    assert len(small.archives()) == 1
    assert len(tiny.archives()) == before + 2
