"""Who waits for whom, who overtakes, how many run at once; two starts at one moment; cancel."""

import itertools
import threading
from typing import Any

from tests.integration.faults.havoc import (
    Place,
    announced,
    at_work,
    children,
    frozen,
    gone,
    query,
    settled,
)
from tests.integration.product import Answer, Product, wait_for


def at_once(product: Product, place: Place, keys: list[str | None]) -> list[Answer]:
    """The same button pressed by several people at the same moment, each with a key or none."""
    gate = threading.Barrier(len(keys))
    answers: list[Answer] = []

    def press(key: str | None) -> None:
        gate.wait()
        headers = {"Idempotency-Key": key} if key else {}
        body = {"repository_id": place.id}
        answers.append(product.post("/api/backup/run", body, headers=headers))

    threads = [threading.Thread(target=press, args=(key,)) for key in keys]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return answers


def reason(product: Product, job: int, words: str) -> None:
    """Wait until the job says why it waits, in these words."""
    found: dict[str, Any] = {}

    def said() -> bool:
        found.update(product.job(job))
        return words in (found["wait_reason"] or "")

    wait_for(said, 10, lambda: f"expected {words!r}: {found}")
    assert found["status"] == "pending"


def test_one_key_is_one_job(product: Product, tiny: Place) -> None:
    before = len(tiny.archives())
    answers = at_once(product, tiny, ["the-same-key"] * 6)
    assert {each.status for each in answers} == {202}
    (job,) = {each.json["job_id"] for each in answers}
    settled(product, job)
    assert len(tiny.archives()) == before + 1


def test_without_a_key_each_is_a_job_and_they_take_turns(product: Product, tiny: Place) -> None:
    before = len(tiny.archives())
    answers = at_once(product, tiny, [None] * 3)
    jobs = sorted(each.json["job_id"] for each in answers)
    assert len(set(jobs)) == 3
    ended = [settled(product, job, 60) for job in jobs]
    assert [each["status"] for each in ended] == ["completed"] * 3
    for earlier, later in itertools.pairwise(ended):
        assert earlier["completed_at"] <= later["started_at"], "two in one lane"
    assert len(tiny.archives()) == before + 3


def test_the_lane_is_kept_and_others_go_on(product: Product, large: Place, tiny: Place) -> None:
    """The second job says what it waits for, a job of another repository overtakes it, and the
    cancelled one frees the lane."""
    first = large.back_up()
    borg = at_work(large, first)
    second, urgent = large.back_up(), large.back_up(priority="high")
    reason(product, second, f"waits for backup #{first}")
    reason(product, urgent, f"waits for backup #{first}")
    tiny.works()
    assert product.job(second)["status"] == "pending"

    known = large.known()
    assert product.post(f"/api/jobs/{first}/cancel").status == 202
    cancelled = settled(product, first, 15)
    assert cancelled["status"] == "cancelled"
    assert not borg.is_running(), "cancelled before its process was gone"
    assert large.known() == known
    assert not (large.path / "lock.exclusive").exists() or product.job(urgent)["process_pid"]

    at_work(large, urgent)
    reason(product, second, f"waits for backup #{urgent}")
    for job in (second, urgent):
        assert product.post(f"/api/jobs/{job}/cancel").status == 202
    assert settled(product, second, 15)["process_pid"] is None
    assert settled(product, urgent, 15)["status"] == "cancelled"
    assert large.known() == known


def test_cancel_twice(product: Product, tiny: Place, large: Place) -> None:
    running = large.back_up()
    borg = at_work(large, running)
    waiting = large.back_up()
    assert product.post(f"/api/jobs/{waiting}/cancel").json["status"] == "cancelled"
    assert product.post(f"/api/jobs/{waiting}/cancel").status == 409
    assert product.post(f"/api/jobs/{running}/cancel").status == 202
    settled(product, running, 15)
    gone(borg, 1)
    refused = product.post(f"/api/jobs/{running}/cancel")
    assert (refused.status, refused.json["error"]["code"]) == (409, "job_ended")
    tiny.works()


def test_cancel_of_a_job_on_its_way(product: Product, tiny: Place) -> None:
    """Admitted, and no worker has begun it: no borg is started for it."""
    before = len(tiny.archives())
    with frozen(*children(product, "worker")):
        job = tiny.back_up()
        announced(product, job)
        assert product.post(f"/api/jobs/{job}/cancel").status == 202
        assert product.job(job)["status"] == "pending"
    ended = settled(product, job)
    assert (ended["status"], ended["process_pid"]) == ("cancelled", None)
    assert len(tiny.archives()) == before


def test_cancel_against_the_end(product: Product, tiny: Place) -> None:
    """A wish that comes as borg ends: the job is completed with its archive, or cancelled.

    Borg may have committed its archive already when the signal comes, and says nothing of it any
    more: the refresh that follows by itself finds it.
    """
    for _ in range(4):
        before = tiny.known()
        job = tiny.back_up()
        product.wait_job(job, "running", "completed")
        answer = product.post(f"/api/jobs/{job}/cancel")
        ended = settled(product, job)
        assert answer.status == 202 or ended["status"] == "completed"
        assert ended["status"] in {"completed", "cancelled"}
        stored = len(tiny.archives())
        assert tiny.known() == stored
        assert stored - before in ({1} if ended["status"] == "completed" else {0, 1})


def test_retry_by_hand(product: Product, large: Place) -> None:
    """Of what was cancelled or failed, as a new job that names its origin; of nothing else."""
    job = large.back_up(priority="high")
    assert product.post(f"/api/jobs/{job}/retry").status == 409
    at_work(large, job)
    product.post(f"/api/jobs/{job}/cancel")
    settled(product, job)
    headers = {"Idempotency-Key": "retry-once"}
    answers = [product.post(f"/api/jobs/{job}/retry", headers=headers) for _ in range(2)]
    assert [each.status for each in answers] == [202, 202]
    (again,) = {each.json["job_id"] for each in answers}
    found = product.job(again)
    assert (found["retry_of"], found["trigger"], found["priority"]) == (job, "retry", "high")
    product.post(f"/api/jobs/{again}/cancel")
    settled(product, again)


def test_as_many_at_once_as_there_are_workers(
    product: Product, tiny: Place, small: Place, large: Place
) -> None:
    """Two of three repositories run; the third says that no worker is free."""
    with frozen(*children(product, "worker")):
        first, second = large.back_up(), small.back_up()
        for job in (first, second):
            announced(product, job)
        third = tiny.back_up()
        reason(product, third, "waits for a free worker (2 of 2 busy)")
    assert settled(product, second, 60)["status"] == "completed"
    assert settled(product, third)["status"] == "completed"
    product.post(f"/api/jobs/{first}/cancel")
    assert settled(product, first)["status"] == "cancelled"


def test_a_job_that_cannot_be_prepared_stops_nobody(
    product: Product, tiny: Place, small: Place
) -> None:
    """Its row holds what no kind of job can make steps of: it fails, and those behind it run."""
    query(
        product,
        "UPDATE repositories SET archive_name_template = '{nonsense' WHERE id = ?",
        small.id,
    )
    job = small.back_up(priority="high")
    ended = settled(product, job)
    assert (ended["status"], ended["completed_at"] is not None) == ("failed", True)
    assert ended["error_message"]
    tiny.works()


def test_the_repository_of_a_machine_that_never_answers_is_freed(
    product: Product, tiny: Place
) -> None:
    """A row as control leaves it when the machine is silent for long."""
    ended = tiny.works()
    held = "UPDATE jobs SET status = 'failed', machine = 'far-away', lane_held = 1 WHERE id = ?"
    query(product, held, ended["id"])
    waiting = tiny.back_up()
    reason(product, waiting, f"waits for backup #{ended['id']}, whose machine is silent")
    assert product.job(ended["id"])["lane_held"] is True
    freed = product.post(f"/api/jobs/{ended['id']}/free-lane")
    assert (freed.status, freed.json["lane_held"]) == (200, False)
    assert "admin freed the repository" in freed.json["error_message"]
    assert settled(product, waiting)["status"] == "completed"
    again = product.post(f"/api/jobs/{ended['id']}/free-lane")
    assert (again.status, again.json["error"]["code"]) == (409, "nothing_held")
