"""What others hold: borg's lock by an outsider, the database by another process."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.faults.havoc import (
    Place,
    at_work,
    child,
    frozen,
    locked_database,
    outcome_of,
    settled,
)
from tests.integration.product import Product, wait_for


@contextmanager
def outsider(place: Place, home: Path) -> Iterator[None]:
    """A borg of another machine holds the repository's lock."""
    env = {
        **os.environ,
        "BORG_BASE_DIR": str(home / "outsider"),
        "BORG_HOST_ID": "somebody-else@1",
        "BORG_PASSPHRASE": "s3cret phrase",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
    }
    argv = ["borg", "with-lock", str(place.path), "sh", "-c", "echo held; exec cat"]
    holder = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        yield
    finally:
        holder.stdin.close()
        holder.stdout.close()
        assert holder.wait(20) == 0


@pytest.fixture
def quick_retries(product: Product) -> None:
    """Two tries, after one second and two."""
    changed = {"retry_limit": 2, "retry_delay_seconds": 1}
    assert product.request("PUT", "/api/settings", changed).status == 200


def retry_of(product: Product, job: int) -> int:
    """The job that was made to try ``job`` again."""
    found: list[int] = []

    def there() -> bool:
        items = product.get("/api/jobs?per_page=20").json["items"]
        found[:] = [each["id"] for each in items if each["retry_of"] == job]
        return bool(found)

    wait_for(there, 10, lambda: f"job {job} is not tried again: {product.job(job)}")
    assert len(found) == 1
    return found[0]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.usefixtures("quick_retries")
def test_borgs_lock_held_from_outside(
    product: Product, tiny: Place, small: Place, tmp_path: Path
) -> None:
    """Tried again with growing pauses, as often as the settings say; no lock is broken.

    Of two repositories one is released after the first failure: its second try succeeds.
    """
    before = len(tiny.archives())
    with outsider(tiny, tmp_path):
        origin = tiny.back_up()
        with outsider(small, tmp_path):
            other = small.back_up()
            assert settled(product, other)["error_code"] == "lock_timeout"
        job, pauses = origin, []
        for _ in range(2):
            failed = settled(product, job)
            assert (failed["status"], failed["error_code"]) == ("failed", "lock_timeout")
            assert "somebody-else@1" in failed["error_message"]
            again = retry_of(product, job)
            waiting = product.job(again)
            assert waiting["trigger"] == "retry"
            pause = moment(waiting["not_before"]) - moment(failed["completed_at"])
            pauses.append(pause.total_seconds())
            job = again
        last = settled(product, job)
        assert (last["status"], last["error_code"]) == ("failed", "lock_timeout")
        # from borg's end; control needs a moment to hear of it
        assert 0.9 < pauses[0] < 6
        assert pauses[1] > 1.9
        assert not [
            each["id"]
            for each in product.get("/api/jobs?per_page=20").json["items"]
            if each["retry_of"] == job
        ], "the limit is two tries"
        assert (tiny.path / "lock.exclusive").exists()
    assert len(tiny.archives()) == before
    assert settled(product, retry_of(product, other))["status"] == "completed"
    assert len(small.archives()) == 1


def test_what_does_not_pass_is_not_tried_again(
    product: Product, sources: dict[str, Path], tmp_path: Path
) -> None:
    """A wrong passphrase fails once, with borg's reason; by hand it can be tried again."""
    repository = tmp_path / "repository"
    env = {**os.environ, "BORG_BASE_DIR": str(tmp_path), "BORG_PASSPHRASE": "the right one"}
    argv = ["borg", "init", "-e", "repokey-blake2", str(repository)]
    subprocess.run(argv, env=env, check=True, capture_output=True, timeout=60)
    body = {
        "name": "imported with a wrong passphrase",
        "path": str(repository),
        "mode": "import",
        "passphrase": "the wrong one",
        "source_directories": [str(sources["tiny"])],
    }
    answer = product.post("/api/repositories", body)
    assert answer.status == 201, answer.body
    failed = settled(product, answer.json["job_id"])
    assert (failed["status"], failed["error_code"]) == ("failed", "passphrase_wrong")
    shown = product.get(f"/api/repositories/{answer.json['id']}").json
    assert (shown["status"], "passphrase" in shown["error_message"]) == ("error", True)
    assert product.get("/api/jobs?per_page=1").json["items"][0]["id"] == failed["id"]
    refused = product.post("/api/backup/run", {"repository_id": answer.json["id"]})
    assert refused.status == 409
    again = product.post(f"/api/jobs/{failed['id']}/retry")
    assert again.status == 202
    ended = settled(product, again.json["job_id"])
    assert (ended["retry_of"], ended["error_code"]) == (failed["id"], "passphrase_wrong")


def test_the_database_locked_while_a_job_is_started(product: Product, tiny: Place) -> None:
    """The request waits, as everyone does."""
    with locked_database(product, 5):
        assert product.get("/api/jobs").status == 200, "who only reads does not wait"
        job = tiny.back_up()
    assert settled(product, job)["status"] == "completed"


def test_the_database_locked_while_a_job_ends(product: Product, small: Place) -> None:
    job = small.back_up()
    at_work(small, job)
    control = child(product, "control")
    with frozen(control):
        outcome_of(product, job)
        with locked_database(product, 5):
            control.resume()
            assert product.job(job)["status"] == "running"
    ended = settled(product, job)
    assert ended["status"] == "completed", ended
    assert small.known() == 1
