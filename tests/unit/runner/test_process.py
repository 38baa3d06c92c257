"""Starting processes, and knowing them."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from borgui.runner import pids, process, streams


@pytest.fixture(params=["setpriv", "function"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to give a child its death signal."""
    monkeypatch.setattr(process._Launcher, "prefix", ())
    if request.param == "setpriv":
        process.prepare()
        assert process._Launcher.prefix


pytestmark = pytest.mark.usefixtures("_way")


@pytest.fixture
def sleeper() -> Iterator[process.Child]:
    child = process.start([b"/bin/sleep", b"100"], {})
    yield child
    child.kill()
    child.popen.wait()
    child.close()


def run(script: str, **more: object) -> str:
    """What a shell prints."""
    child = process.start([b"/bin/sh", b"-c", script.encode()], {b"PATH": b"/bin:/usr/bin"}, **more)  # type: ignore[arg-type]
    child.popen.wait()
    output = os.read(child.stdout, 65536).decode()
    child.close()
    return output


def test_identity(sleeper: process.Child) -> None:
    identity = sleeper.identity

    assert identity.is_alive()
    assert pids.identify(sleeper.pid) == identity
    assert identity.started_at.endswith("Z")
    assert not pids.ProcessId(identity.pid, identity.start + 1).is_alive()
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.is_alive(), "a zombie is dead"


def test_it_has_not_started_before_it_was_started() -> None:
    """But for the clock tick its start is counted in, and the millisecond it is told in."""
    before = datetime.now(UTC)
    child = process.start([b"/bin/true"], {})
    after = datetime.now(UTC)
    child.popen.wait()
    child.close()
    tick = timedelta(seconds=1 / pids._TICKS + 0.005)
    assert before - tick <= datetime.fromisoformat(child.identity.started_at) <= after + tick


def test_a_signal_that_comes_too_late_takes_nothing_from_who_waits() -> None:
    child = process.start([b"/bin/sh", b"-c", b"exit 3"], {})
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    child.terminate()
    assert streams.has_ended(child)
    assert child.popen.wait() == 3
    child.terminate()
    child.close()


def test_a_session_of_its_own(sleeper: process.Child) -> None:
    assert os.getsid(sleeper.pid) == os.getpgid(sleeper.pid) == sleeper.pid


def test_stdin_is_empty() -> None:
    assert run("cat; readlink /proc/self/fd/0") == "/dev/null\n"


def test_stdin() -> None:
    assert run("cat", stdin=b"x" * 60_000) == "x" * 60_000


def test_secret() -> None:
    script = "cat /proc/self/fd/$BORG_PASSPHRASE_FD | od -An -tx1"
    assert run(script, secret="p ä\udcff").split() == ["70", "20", "c3", "a4", "ff"]


def test_no_other_descriptors() -> None:
    with Path("/etc/passwd").open() as file:
        os.set_inheritable(file.fileno(), True)
        assert set(run("ls /proc/self/fd").split()) <= {"0", "1", "2", "3"}


def test_environment_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORG_PASSPHRASE", "theirs")

    assert "BORG" not in run("env")


def test_cwd(tmp_path: Path) -> None:
    assert run("pwd", cwd=os.fsencode(tmp_path)) == f"{tmp_path}\n"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (b"/no/such", "/no/such was not found"),
        (b"/etc/passwd", "may not be executed"),
        (b"sh", "absolute"),
    ],
)
def test_cannot_start(program: bytes, words: str) -> None:
    with pytest.raises(process.StartError, match=words):
        process.start([program], {})


def test_no_such_folder() -> None:
    with pytest.raises(process.StartError, match="/no/such does not exist"):
        process.start([b"/bin/true"], {}, cwd=b"/no/such")


def test_dies_with_its_parent() -> None:
    """SIGKILL to the parent is SIGTERM to the child."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        child = process.start([b"/bin/sleep", b"100"], {})
        os.write(writing, f"{child.pid} {child.identity.start}".encode())
        signal.pause()
    pid, start = map(int, os.read(reading, 100).split())
    identity = pids.ProcessId(pid, start)
    # until the launcher has become the program
    while pids.command_of(pid) != "/bin/sleep 100":
        time.sleep(0.01)
    assert identity.is_alive()
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 3
    while identity.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.close(reading)
    os.close(writing)


def test_output_of() -> None:
    assert process.output_of(["/bin/echo", "x"], seconds=5, env={}) == (0, "x\n")
    with pytest.raises(process.StartError, match="no answer within"):
        process.output_of(["/bin/sleep", "5"], seconds=0.1, env={})
    with pytest.raises(process.StartError, match="not found"):
        process.output_of(["/no/such"], seconds=5, env={})
