"""Extracted files are put in place without replacing anything, whoever dies meanwhile."""

import errno
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgui.runner import filesystem, staging
from borgui.runner import machine as reporting
from borgui.runner.failure import FailedError
from borgui.runner.placing import Placing
from borgui.runner.runfile import RunFile
from borgui.runner.staging import Staging
from borgui.runner.target import sheltered
from tests.integration.runner.machine_at_work import Machine

TEXT = "whole contents\n" * 1000


def fill(folder: Path, count: int = 40) -> None:
    """Some folders with files."""
    for number in range(count):
        (folder / f"d{number % 4}").mkdir(exist_ok=True)
        (folder / f"d{number % 4}" / f"{number}.txt").write_text(TEXT)


def placing(destination: Path, **more: object) -> Placing:
    options = {
        "elsewhere": lambda parent: pytest.fail(f"{parent} is on this file system"),
        "tick": lambda: None,
        "lost": lambda name, error: pytest.fail(f"{name!r}: {error}"),
    } | more
    return Placing(os.fsencode(destination), **options)  # type: ignore[arg-type]


def test_killed_while_it_puts_files_in_place(machine: Machine, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number in range(4):
        (out / f"d{number}").mkdir(parents=True)
    (out / "d1" / "5.txt").write_text("mine")

    def work() -> None:
        own = Staging(machine.config.run, 1, 1)
        folder = own.make(str(out))
        fill(Path(folder))
        ticks = 0

        def tick() -> None:
            nonlocal ticks
            ticks += 1
            if ticks == 21:
                os.kill(os.getpid(), signal.SIGKILL)

        run = RunFile(machine.config.run, 1)
        run.write(attempt=1)
        own.tell(nfiles=12, restored_size=12 * len(TEXT))
        placing(out, tick=tick).place(os.fsencode(folder))

    pid = machine.fork(work)
    assert os.WTERMSIG(machine.wait(pid)) == signal.SIGKILL
    placed = sorted(path.name for path in out.glob("d*/*.txt"))
    assert 10 < len(placed) < 40
    machine.reporter().publish()
    assert list(out.glob(".borgui-restore-*")) == []
    assert staging.markers(machine.config.run) == []
    assert sorted(path.name for path in out.glob("d*/*.txt")) == placed
    assert (out / "d1" / "5.txt").read_text() == "mine"
    assert {path.read_text() for path in out.glob("d*/*.txt")} == {TEXT, "mine"}
    kept = machine.kept()
    assert kept is not None
    assert (kept["error_code"], kept["result"]["extract"]["nfiles"]) == ("restarted", 12)


def test_a_living_restore_is_left_its_folder(machine: Machine, tmp_path: Path) -> None:
    own = Staging(machine.config.run, 1, 1)
    folder = Path(own.make(str(tmp_path)))
    fill(folder)
    run = RunFile(machine.config.run, 1)
    run.write(attempt=1)
    reporter = machine.reporter()
    reporter.publish()
    assert len(list(folder.iterdir())) == 4
    run.close()
    reporter.publish()
    assert not folder.exists()


def test_much_is_removed_little_by_little(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "TIDY_SECONDS", 0)
    folder = Path(Staging(machine.config.run, 1, 1).make(str(tmp_path)))
    fill(folder)
    reporter = machine.reporter()
    reporter.publish()
    assert folder.exists()
    rounds = 1
    while folder.exists():
        reporter.publish()
        rounds += 1
        assert rounds < 200
    assert rounds > 40


def test_only_our_own_folders_are_removed(machine: Machine, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious").touch()
    own = Staging(machine.config.run, 1, 1)
    folder = Path(own.make(str(tmp_path)))
    folder.rmdir()
    folder.symlink_to(mine)
    machine.reporter().publish()
    assert (mine / "precious").exists()
    marker = machine.config.run / "2-1.restore"
    marker.write_text(f'{{"folders": ["{staging.pack(str(mine))}"]}}')
    machine.reporter().publish()
    assert (mine / "precious").exists()
    assert not marker.exists()


def test_a_folder_deeper_than_any_path(machine: Machine, tmp_path: Path) -> None:
    own = Staging(machine.config.run, 1, 1)
    folder = own.make(str(tmp_path))
    here = os.open(folder, filesystem.FOLDER)
    name = b"x" * 200
    for _ in range(100):
        os.mkdir(name, 0o500, dir_fd=here)
        below = os.open(name, filesystem.FOLDER, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    own.remove()
    assert not os.path.lexists(folder)
    assert staging.markers(machine.config.run) == []


def test_nothing_is_inherited_from_the_destination(config: object, tmp_path: Path) -> None:
    subprocess.run(["setfacl", "-m", "d:u:1234:rwx", str(tmp_path)], check=True)
    tmp_path.chmod(0o2777)
    folder = Path(Staging(tmp_path, 1, 1).make(str(tmp_path)))
    (folder / "made").mkdir()
    assert oct(folder.stat().st_mode) == oct(0o40700)
    assert os.listxattr(folder) == []
    assert os.listxattr(folder / "made") == []


@pytest.fixture(params=["call", "no call"])
def renaming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system call, and on a file system that does not have it."""
    if request.param == "no call":

        class Without:
            def renameat2(self, *_arguments: object) -> int:
                filesystem.ctypes.set_errno(errno.EINVAL)
                return -1

        monkeypatch.setattr(filesystem, "_LIBC", Without())


def test_a_rename_never_replaces(renaming: None, tmp_path: Path) -> None:
    for name in ("file", "folder", "there"):
        (tmp_path / name).mkdir() if name == "folder" else (tmp_path / name).write_text(name)
    (tmp_path / "folder" / "within").touch()
    (tmp_path / "empty").mkdir()
    here = os.open(tmp_path, filesystem.FOLDER)
    for source in (b"file", b"folder"):
        for target in (b"there", b"empty"):
            with pytest.raises(FileExistsError):
                filesystem.rename_new(here, source, here, target)
    assert (tmp_path / "there").read_text() == "there"
    filesystem.rename_new(here, b"file", here, b"new file")
    filesystem.rename_new(here, b"folder", here, b"new folder")
    os.close(here)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "data") == [
        "empty",
        "new file",
        "new folder",
        "there",
    ]
    assert (tmp_path / "new folder" / "within").exists()


def test_a_whole_folder_can_be_stopped(tmp_path: Path) -> None:
    """Before it is moved at once all in it is counted: that can take long."""
    staged, out = tmp_path / "staged", tmp_path / "out"
    for folder in (staged / "deep", out):
        folder.mkdir(parents=True)
    fill(staged / "deep")
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 30:
            raise FailedError("cancelled", "enough")

    with pytest.raises(FailedError):
        placing(out, tick=tick).place(os.fsencode(staged))
    assert list(out.iterdir()) == []


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    assert folder.stat().st_dev != tmp_path.stat().st_dev
    yield folder
    subprocess.run(["chattr", "-R", "-ia", folder], check=True)
    shutil.rmtree(folder)


def copied(staged: Path, far: Path) -> None:
    """Placed on another file system."""
    own = Staging(staged.parent, 1, 1)
    (far / "out").mkdir()
    try:
        placing(
            far / "out", elsewhere=lambda parent: own.open(own.make(os.fsdecode(parent)))
        ).place(os.fsencode(staged))
    finally:
        own.remove()


def test_a_copy_has_its_flags(tmp_path: Path, far: Path) -> None:
    staged = tmp_path / "staged"
    (staged / "top" / "held").mkdir(parents=True)
    flags = {"top/held/file": "i", "top/held": "a", "top/nodump": "d", "top/twin": "i", "one": "i"}
    for name in flags:
        if name != "top/held":
            (staged / name).write_text(name)
    (staged / "top" / "link").hardlink_to(staged / "top" / "twin")
    (staged / "two").hardlink_to(staged / "one")
    for name, flag in flags.items():
        subprocess.run(["chattr", f"+{flag}", staged / name], check=True)
    try:
        copied(staged, far)
    finally:
        subprocess.run(["chattr", "-R", "-iad", staged], check=True)
    for name, flag in (*flags.items(), ("top/link", "i"), ("two", "i")):
        line = subprocess.run(["lsattr", "-d", far / "out" / name], check=True, capture_output=True)
        assert flag in line.stdout.decode().split()[0], name
    assert (far / "out" / "two").samefile(far / "out" / "one")
    assert [path.name for path in (far / "out").iterdir() if path.name.startswith(".")] == []


def test_a_read_that_brings_less(
    tmp_path: Path, far: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Than asked for: the rest is read too. And one that brings nothing is an error, not zeros."""
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / "file").write_text(TEXT)
    pread, end = os.pread, len(TEXT)
    monkeypatch.setattr(
        os, "pread", lambda fd, count, at: pread(fd, max(min(count, 1000, end - at), 0), at)
    )
    copied(staged, far)
    assert (far / "out" / "file").read_text() == TEXT
    (far / "out" / "file").unlink()
    (far / "out").rmdir()
    end = 2000
    with pytest.raises(OSError, match="Input/output"):
        copied(staged, far)
    assert list((far / "out").iterdir()) == []


def test_a_protected_folder_gets_nothing(tmp_path: Path) -> None:
    source, out = tmp_path / "staged", tmp_path / "out"
    (source / "data").mkdir(parents=True)
    (source / "data" / "key").touch()
    (out / "data").mkdir(parents=True)
    status = (out / "data").stat()
    run = placing(out, protected=frozenset({(status.st_dev, status.st_ino)}))
    run.place(os.fsencode(source))
    assert list((out / "data").iterdir()) == []
    assert run.placed.left == [str(out / "data" / "key")]


def test_it_is_asked_once_nobody_can_lead_us_elsewhere(tmp_path: Path) -> None:
    """The destination is a link by then: what was opened is told, and may still be refused."""
    for name in ("staging", "meant", "elsewhere"):
        (tmp_path / name).mkdir()
    fill(tmp_path / "staging", 3)
    (tmp_path / "link").symlink_to("elsewhere")
    asked = []

    def opened(path: str) -> None:
        asked.append(path)
        raise PermissionError

    with pytest.raises(PermissionError):
        placing(tmp_path / "link", opened=opened).place(os.fsencode(tmp_path / "staging"))
    assert asked == [str(tmp_path / "elsewhere")]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_was_replaced(machine: Machine, tmp_path: Path) -> None:
    """By a link or by another folder: nothing is taken from it, and it is not removed."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").touch()
    for number, replace in enumerate(("link", "folder", "nothing")):
        own = Staging(machine.config.run, number, 1)
        folder = Path(own.make(str(tmp_path)))
        os.close(own.open(str(folder)))
        folder.rename(tmp_path / f"moved-{number}")
        if replace == "link":
            folder.symlink_to(victim)
        elif replace == "folder":
            folder.mkdir()
            (folder / "another's").touch()
        with pytest.raises(FailedError, match="Somebody") as failed:
            own.open(str(folder))
        assert failed.value.code == "folder_replaced"
        own.remove()
        assert os.path.lexists(folder) == (replace != "nothing")
    assert (victim / "precious").exists()
    assert len(list(tmp_path.glob(".borgui-restore-*/another's"))) == 1
    assert staging.markers(machine.config.run) == []  # it is not tried again


def test_a_made_destination_that_was_replaced(machine: Machine, tmp_path: Path) -> None:
    own = Staging(machine.config.run, 1, 1)
    own.make_destination(str(tmp_path / "a" / "b"))
    own.check()
    (tmp_path / "a").rename(tmp_path / "moved")
    (tmp_path / "elsewhere" / "b").mkdir(parents=True)
    (tmp_path / "a").symlink_to("elsewhere")
    with pytest.raises(FailedError, match="Somebody"):
        own.check()
    own.remove()
    assert (tmp_path / "elsewhere" / "b").is_dir()
    assert staging.markers(machine.config.run) == []


def test_where_nobody_else_can_replace_it(tmp_path: Path) -> None:
    """For root, which these tests run as: above what belongs to another user."""
    theirs = tmp_path / "theirs"
    (theirs / "deep").mkdir(parents=True)
    assert sheltered(str(theirs / "deep")) == str(theirs / "deep")
    os.chown(theirs, 1234, 1234)
    assert sheltered(str(theirs / "deep")) == str(tmp_path)
    (tmp_path / "link").symlink_to(theirs)
    assert sheltered(str(tmp_path / "link")) == str(tmp_path)
    tmp_path.chmod(0o777)
    assert sheltered(str(theirs)) != str(tmp_path)
    tmp_path.chmod(0o1777)
    assert sheltered(str(theirs)) == str(tmp_path)
    assert sheltered("/dev/shm") == "/dev/shm"  # another mount
