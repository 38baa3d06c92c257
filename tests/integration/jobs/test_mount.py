"""Archives mounted by real jobs: what is in them, and everything that ends them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from borgui.config import Config
from borgui.runner import fuse
from tests.integration.faults.havoc import child, gone, kill, lives
from tests.integration.jobs import trees
from tests.integration.product import Product, borg, running, wait_for

NO_FUSE = fuse.problem()
needs_fuse = pytest.mark.skipif(NO_FUSE is not None, reason=f"nothing can be mounted: {NO_FUSE}")

BORG = """#!/bin/sh
while test "$1" = create && test -e {folder}/held; do sleep 0.05; done
test "$1" = mount && test -e {folder}/slow && sleep 60
test -e {folder}/blind && export BORG_FUSE_IMPL=none
exec borg "$@"
"""
"""The real borg, which does not begin a backup, takes its time to mount, or finds no FUSE, while a
file of that name lies beside it."""


SITTING = """
import time
held = open("plain/random.bin", "rb")
held.read(10)
print(flush=True)
time.sleep(300)
"""


class Mounts:
    """One product with a single job slot, and a repository that is mounted from."""

    def __init__(self, product: Product, folder: Path) -> None:
        self.product = product
        self.folder = folder
        self.source = trees.make(folder / "source")
        self.repository = self.add("mounted", self.source)
        self.archive = self.back_up(self.repository)

    def add(self, name: str, source: Path) -> int:
        return self.product.add_repository(name, self.folder / f"of {name}", [source])

    def back_up(self, repository: int) -> int:
        """A new archive; returns its id."""
        job = self.product.wait_job(self.product.back_up(repository))
        assert job["status"] == "completed", job
        items = self.product.get(f"/api/repositories/{repository}/archives").json["items"]
        return int(items[0]["id"])

    def ask(self, archive: int | None = None, **body: Any) -> int:
        """Ask for a mount; returns its job's id."""
        answer = self.product.post(f"/api/archives/{archive or self.archive}/mount", body)
        assert answer.status == 202, answer.body
        assert answer.headers["Location"] == f"/api/jobs/{answer.json['job_id']}"
        return int(answer.json["job_id"])

    def stand(self, archive: int | None = None, **body: Any) -> dict[str, Any]:
        """A mount that stands."""
        job_id = self.ask(archive, **body)
        found: dict[str, Any] = {}

        def is_there() -> bool:
            found.update(self.product.job(job_id))
            assert found["status"] in {"pending", "running"}, found
            return bool(found["mounted_at"])

        wait_for(is_there, 30, lambda: f"not mounted: {found}\n{self.product.said[-2000:]}")
        assert found["status"] == "running"
        assert os.path.ismount(found["mountpoint"])
        return found

    def end(self, job: dict[str, Any]) -> dict[str, Any]:
        """Unmount it, which kills nobody."""
        answer = self.product.request("DELETE", f"/api/mounts/{job['id']}")
        assert (answer.status, answer.json["id"]) == (202, job["id"]), answer.body
        ended = self.ended(job)
        log = self.product.get(f"/api/jobs/{job['id']}/log?follow=false").body
        assert b"killed" not in log, log
        return ended

    def ended(self, job: dict[str, Any], seconds: float = 15) -> dict[str, Any]:
        """Its end; nothing of it is left."""
        found = self.product.wait_job(job["id"], seconds=seconds)
        if job.get("mountpoint"):
            self.nothing_left(job)
        return found

    def nothing_left(self, job: dict[str, Any]) -> None:
        folder = Path(job["mountpoint"])

        def is_gone() -> bool:
            return folder.name.encode() not in self.places() and not fuse.is_mounted(folder)

        wait_for(is_gone, 15, lambda: f"{folder} is still there")
        with contextlib.suppress(psutil.NoSuchProcess):
            assert not lives(psutil.Process(job["process_pid"]))

    def places(self) -> list[bytes]:
        """The names of all mountpoints."""
        return trees.names(self.product.data_dir / "mounts")

    def inside(self, job: dict[str, Any]) -> Path:
        """The source, as the mount has it."""
        return Path(job["mountpoint"]) / str(self.source).lstrip("/")


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounts]:
    folder = tmp_path_factory.mktemp("mount")
    program = folder / "borg"
    program.write_text(BORG.format(folder=folder))
    program.chmod(0o755)
    with running(folder / "data", BORGUI_JOBS="1", BORGUI_BORG=str(program)) as product:
        assert product.request("PUT", "/api/settings", {"auto_index": False}).status == 200
        yield Mounts(product, folder)


@pytest.fixture(autouse=True)
def _nothing_stays(mounts: Mounts) -> Iterator[None]:
    """Each test leaves nothing mounted but the one whose lease is being waited for."""
    yield
    for name in ("held", "slow", "blind"):
        (mounts.folder / name).unlink(missing_ok=True)
    if mounts.product.process is None or mounts.product.process.poll() is not None:
        return
    for job in mounts.product.get("/api/mounts").json["items"]:
        if job["lease_minutes"] != 1:
            mounts.product.request("DELETE", f"/api/mounts/{job['id']}")
            mounts.product.wait_job(job["id"])


@pytest.fixture(scope="module", autouse=True)
def short(mounts: Mounts) -> dict[str, Any] | None:
    """A mount of another repository with the shortest lease: over when the last test looks."""
    if NO_FUSE is not None:
        return None
    small = mounts.folder / "small"
    small.mkdir()
    (small / "a.txt").write_text("a letter")
    return mounts.stand(mounts.back_up(mounts.add("short", small)), lease_minutes=1)


@contextlib.contextmanager
def somebody_in(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works in ``folder`` and holds a file in it open."""
    sitting = subprocess.Popen([sys.executable, "-c", SITTING], cwd=folder, stdout=subprocess.PIPE)
    try:
        assert sitting.stdout is not None
        assert sitting.stdout.readline() == b"\n"
        yield sitting
    finally:
        sitting.kill()
        sitting.communicate()


@needs_fuse
def test_what_is_mounted_is_what_was_backed_up(mounts: Mounts) -> None:
    job = mounts.stand()
    assert (job["archive_id"], job["lease_minutes"], job["ended_by"]) == (mounts.archive, 60, None)
    folder = Path(job["mountpoint"])
    assert folder.parent == mounts.product.data_dir / "mounts"
    assert folder.name.endswith(f"-{job['id']}")
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    want, have = trees.described(mounts.source), trees.described(mounts.inside(job))
    assert set(have) == set(want)
    for name, entry in want.items():
        kept = ("mode", "owner", "mtime", "device", "target", "content")
        assert {key: have[name][key] for key in kept} == {key: entry[key] for key in kept}, name
    assert have[b"plain/a.txt"]["attributes"]["user.note"] == b"kept \x00\xff"
    with pytest.raises(OSError, match="Read-only"):
        (mounts.inside(job) / "new").write_text("x")
    listed = mounts.product.get("/api/mounts").json
    assert (listed["page"], listed["total"]) == (1, len(listed["items"]))
    (here,) = (each for each in listed["items"] if each["id"] == job["id"])
    assert (here["mountpoint"], here["kind"]) == (job["mountpoint"], "mount")
    ended = mounts.end(job)
    assert (ended["status"], ended["ended_by"], ended["error_code"]) == (
        "completed",
        "person",
        None,
    )
    assert ended["mounted_at"] == job["mounted_at"]
    assert ended["progress_message"] == "Unmounted by hand."
    again = mounts.product.request("DELETE", f"/api/mounts/{job['id']}")
    assert (again.status, again.json["error"]["code"]) == (409, "job_ended")


@needs_fuse
def test_a_person_ends_it_while_somebody_is_in_it(mounts: Mounts) -> None:
    job = mounts.stand()
    with somebody_in(mounts.inside(job)) as sitting:
        ended = mounts.end(job)
        assert sitting.poll() is None
    assert (ended["status"], ended["ended_by"]) == ("completed", "person")


@needs_fuse
def test_cancel_and_a_hand_on_the_machine_end_it_too(mounts: Mounts) -> None:
    job = mounts.stand()
    assert mounts.product.post(f"/api/jobs/{job['id']}/cancel").status == 202
    assert mounts.ended(job)["ended_by"] == "person"
    job = mounts.stand()
    subprocess.run(["fusermount3", "-u", job["mountpoint"]], check=True)
    ended = mounts.ended(job)
    assert (ended["status"], ended["ended_by"], ended["exit_code"]) == ("completed", "person", 0)


@needs_fuse
def test_a_forgotten_mount_keeps_no_writer_waiting(mounts: Mounts) -> None:
    first, second = mounts.stand(lease_minutes=1440), mounts.stand()
    with somebody_in(mounts.inside(first)):
        backup = mounts.product.back_up(mounts.repository)
        assert mounts.product.wait_job(backup, seconds=20)["status"] == "completed"
        for job in (first, second):
            ended = mounts.ended(job)
            assert (ended["status"], ended["ended_by"]) == ("completed", "job")
            assert ended["gave_way_to"] == f"backup #{backup}"
            assert ended["progress_message"] == f"Ended because backup #{backup} waited."


@needs_fuse
def test_a_mount_that_is_being_made_gives_way_too(mounts: Mounts) -> None:
    (mounts.folder / "slow").touch()
    job = mounts.product.wait_job(mounts.ask(), "running")
    assert job["mounted_at"] is None
    backup = mounts.product.back_up(mounts.repository)
    assert mounts.product.wait_job(backup, seconds=20)["status"] == "completed"
    ended = mounts.ended(job)
    assert (ended["status"], ended["ended_by"]) == ("cancelled", "job")
    assert ended["progress_message"] == f"Ended because backup #{backup} waited."


@needs_fuse
def test_cancelled_before_it_was_mounted(mounts: Mounts) -> None:
    (mounts.folder / "slow").touch()
    job = mounts.product.wait_job(mounts.ask(), "running")
    ended = mounts.end(job)
    assert (ended["status"], ended["ended_by"]) == ("cancelled", None)
    assert ended["progress_message"] == "Cancelled before it was mounted."


@needs_fuse
def test_it_takes_no_slot_and_others_read_beside_it(mounts: Mounts, tmp_path: Path) -> None:
    """There is one slot. A backup elsewhere, an index and a restore here run beside the mount."""
    job = mounts.stand()
    elsewhere = mounts.add("elsewhere", mounts.source / "plain")
    mounts.back_up(elsewhere)
    product = mounts.product
    index = product.post(f"/api/archives/{mounts.archive}/index").json["job_id"]
    assert product.wait_job(index)["status"] == "completed"
    body = {
        "destination": str(tmp_path / "restored"),
        "paths": [f"{mounts.source}/plain/a.txt"[1:]],
    }
    restore = product.post(f"/api/archives/{mounts.archive}/restore", body)
    assert restore.status == 202, restore.body
    assert product.wait_job(restore.json["job_id"])["status"] == "completed"
    assert product.job(job["id"])["status"] == "running"
    assert (mounts.inside(job) / "plain/a.txt").read_text() == "a letter"


@needs_fuse
def test_it_waits_for_a_backup_and_says_so(mounts: Mounts) -> None:
    (mounts.folder / "held").touch()
    backup = mounts.product.back_up(mounts.repository)
    waiting = mounts.ask()
    reason = f"waits for backup #{backup}"
    wait_for(lambda: mounts.product.job(waiting)["wait_reason"] == reason, 10, "it gives no reason")
    (mounts.folder / "held").unlink()
    assert mounts.product.wait_job(backup)["status"] == "completed"
    wait_for(lambda: mounts.product.job(waiting)["mounted_at"] is not None, 20, "not mounted")


@needs_fuse
def test_two_mounts_of_one_archive(mounts: Mounts) -> None:
    first, second = mounts.stand(), mounts.stand()
    assert first["mountpoint"] != second["mountpoint"]
    mounts.end(first)
    assert (mounts.inside(second) / "plain/a.txt").read_text() == "a letter"


@needs_fuse
def test_a_backup_of_the_data_folder_stays_out_of_it(mounts: Mounts, tmp_path: Path) -> None:
    mounts.stand()
    for name, more in (("own", {}), ("whole", {"include_secret_key": True})):
        path = tmp_path / name
        own = mounts.product.add_repository(name, path, [mounts.product.data_dir], **more)
        mounts.product.wait_job(mounts.product.back_up(own))
        listed = borg(path, "list", "--json", home=tmp_path)
        archive = json.loads(listed)["archives"][-1]["name"]
        paths = borg(path, "list", "--short", f"::{archive}", home=tmp_path).splitlines()
        inside = [each.removeprefix(str(mounts.product.data_dir)[1:] + "/") for each in paths]
        assert "borgui.db" in inside
        assert [each for each in inside if each.startswith("mounts")] == []
        assert ("secret.key" in inside) is bool(more)


@needs_fuse
def test_its_borg_is_killed(mounts: Mounts) -> None:
    job = mounts.stand()
    psutil.Process(job["process_pid"]).kill()
    ended = mounts.ended(job)
    assert (ended["status"], ended["error_code"]) == ("failed", "killed_by_signal")
    mounts.back_up(mounts.repository)


@needs_fuse
def test_its_worker_is_killed(mounts: Mounts) -> None:
    job = mounts.stand()
    run = json.loads((mounts.product.data_dir / "run" / f"{job['id']}.json").read_text())
    horse = psutil.Process(run["horse_pid"])
    assert mounts.product.process is not None
    assert horse.ppid() == mounts.product.process.pid
    kill(horse)
    ended = mounts.ended(job, seconds=30)
    assert (ended["status"], ended["error_code"]) == ("failed", "worker_killed")
    mounts.back_up(mounts.repository)


@needs_fuse
def test_the_quick_worker_is_free_and_may_die(mounts: Mounts) -> None:
    job = mounts.stand()
    assert mounts.product.get("/api/folders?path=/").status == 200
    kill(child(mounts.product, "quick"))
    wait_for(lambda: mounts.product.get("/api/folders?path=/").status == 200, 30, "no quick worker")
    assert (mounts.inside(job) / "plain/a.txt").read_text() == "a letter"
    assert mounts.end(job)["ended_by"] == "person"


def test_a_borg_without_fuse_is_told_at_once(mounts: Mounts) -> None:
    (mounts.folder / "blind").touch()
    job = mounts.product.wait_job(mounts.ask())
    assert (job["status"], job["error_code"]) == ("failed", "mount_unavailable")
    assert "Install" in job["error_message"] or "/dev/fuse" in job["error_message"]
    config = Config(data_dir=mounts.product.data_dir, borg=str(mounts.folder / "borg"))
    assert "python3-pyfuse3" in (fuse.problem_of_borg(config) or "")
    (mounts.folder / "blind").unlink()
    if NO_FUSE is None:
        assert fuse.problem_of_borg(config) is None


def test_a_wrong_passphrase(mounts: Mounts) -> None:
    other = mounts.add("changed", mounts.source / "plain")
    archive = mounts.back_up(other)
    path = mounts.folder / "of changed"
    borg(path, "key", "change-passphrase", home=mounts.folder, BORG_NEW_PASSPHRASE="another")
    job = mounts.product.wait_job(mounts.ask(archive))
    wanted = "passphrase_wrong" if NO_FUSE is None else "mount_unavailable"
    assert (job["status"], job["error_code"]) == ("failed", wanted)
    assert not [each for each in mounts.places() if each.endswith(b"-%d" % job["id"])]


def test_what_is_refused(mounts: Mounts) -> None:
    product = mounts.product
    for body in ({"lease_minutes": 0}, {"lease_minutes": 1441}, {"lease_minutes": "5"}, {"x": 1}):
        answer = product.post(f"/api/archives/{mounts.archive}/mount", body)
        assert (answer.status, answer.json["error"]["code"]) == (422, "invalid"), answer.body
    assert product.post("/api/archives/999/mount").status == 404
    assert product.request("DELETE", "/api/mounts/999").status == 404
    backup = product.back_up(mounts.repository)
    assert product.request("DELETE", f"/api/mounts/{backup}").status == 404
    product.wait_job(backup)


@needs_fuse
def test_its_lease_ends(mounts: Mounts, short: dict[str, Any]) -> None:
    """Begun before the first test, in a repository that nobody else wants."""
    ended = mounts.ended(short, seconds=70)
    assert (ended["status"], ended["ended_by"], ended["error_code"]) == ("completed", "lease", None)
    assert ended["expires_at"] <= ended["completed_at"]
    assert ended["progress_message"] == "Its lease is over."


@needs_fuse
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_borgui_leaves_nothing_mounted(mounts: Mounts, number: signal.Signals) -> None:
    """The last ones: they stop the product, and start it again."""
    job = mounts.stand()
    with somebody_in(mounts.inside(job)):
        assert mounts.product.stop(number) == 0
        assert not fuse.is_mounted(Path(job["mountpoint"]))
        assert mounts.places() == []
        assert not psutil.pid_exists(job["process_pid"])
    mounts.product.start()
    ended = mounts.product.wait_job(job["id"])
    assert (ended["status"], ended["ended_by"]) == ("completed", "stopped")


@needs_fuse
def test_stopping_borgui_waits_for_a_borg_that_does_not_end(mounts: Mounts) -> None:
    job = mounts.stand()
    stuck = psutil.Process(job["process_pid"])
    stuck.suspend()
    assert mounts.product.stop() == 0
    assert not lives(stuck)
    assert mounts.places() == []
    mounts.product.start()
    assert mounts.product.wait_job(job["id"])["ended_by"] == "stopped"


@needs_fuse
def test_killed_with_everything_it_is_cleared_away_at_the_next_start(mounts: Mounts) -> None:
    job = mounts.stand()
    tree = mounts.product.tree()
    mounts.product.kill_all()
    for each in tree:
        gone(each)
    assert fuse.is_mounted(Path(job["mountpoint"]))  # dead: nobody answers there
    mounts.product.start()
    mounts.nothing_left(job)
    ended = mounts.product.wait_job(job["id"], seconds=60)
    assert (ended["status"], ended["error_code"]) == ("failed", "restarted")
    mounts.back_up(mounts.repository)


@needs_fuse
def test_the_supervisor_alone_is_killed(mounts: Mounts) -> None:
    job = mounts.stand()
    assert mounts.product.process is not None
    tree = mounts.product.tree()
    mounts.product.process.kill()
    mounts.product.process.wait(10)
    mounts.product.output.close()
    for each in tree[1:]:
        gone(each, 25)
    assert mounts.places() == []
    mounts.product.start()
    assert mounts.product.wait_job(job["id"])["status"] == "completed"
