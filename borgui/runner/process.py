"""The one place that starts processes."""

import ctypes
import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from borgui.runner.pids import ProcessId, identify

log = logging.getLogger("borgui.runner")

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
# Converted before any fork: between fork and exec there is time for a system call, not for ctypes
# to look up symbols and import lock holders to be waited for.
_PRCTL_ARGUMENTS = (ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGTERM))
_MARK = b"BORGUI_INSTANCE"


class _Launcher:
    """How a child gets its death signal, and its mark; see :func:`prepare`."""

    prefix: tuple[bytes, ...] = ()
    mark: bytes = b""


def prepare(mark: str = "") -> None:
    """Find the quick way to start a child; once, in the parent of all that start some.

    Each child gets ``mark`` in its environment, see :func:`is_marked`.

    With a function to run between fork and exec, Python has to fork the whole process instead of
    vfork: 7.9 ms where util-linux's setpriv, put before the program, takes 2.4 (measured in a
    process of 68 MB). It must know ``--pdeathsig``; else the function does it.
    """
    _Launcher.mark = mark.encode()
    found = shutil.which("setpriv", path=os.defpath)
    if found is None:
        return
    prefix = (found, "--pdeathsig", "TERM", "--")
    try:
        code, _ = output_of([*prefix, found, "--version"], seconds=5, env={"LC_ALL": "C"})
    except StartError as error:
        log.warning("setpriv is not used: %s", error)
        return
    if code == 0:
        _Launcher.prefix = tuple(map(os.fsencode, prefix))


def die_with(parent: int) -> None:
    """Have the kernel send SIGTERM to this process when the thread that forked it ends.

    ``parent`` is that process's pid, read before the fork: had it died since, no signal would come.
    """
    _LIBC.prctl(*_PRCTL_ARGUMENTS)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent ends (prctl(2)).

    Whoever calls it has to wait for them. Not inherited by children.
    """
    _LIBC.prctl(ctypes.c_int(_PR_SET_CHILD_SUBREAPER), ctypes.c_ulong(1))


def detach(run: Callable[[], None], parent: int) -> None:
    """Have ``run`` called in a process, in the caller's session, that nobody waits for here.

    ``parent``, an ancestor that adopts orphans, gets it as a child; when that dies it gets SIGTERM.
    SIGTERM and SIGINT are held back until ``run`` releases them (see :func:`release_signals`).
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        release_signals()
        return
    middle = os.getpid()
    if os.fork():
        os._exit(0)
    try:
        os.setpgrp()  # the session stays: by it the parent knows that this one is to be ended
        while os.getppid() == middle:
            time.sleep(0.001)
        die_with(parent)
        run()
    except BaseException:
        log.exception("a detached process failed")
    finally:
        os._exit(1)


_HELD = frozenset({signal.SIGTERM, signal.SIGINT})


def release_signals() -> None:
    """Let SIGTERM and SIGINT through again, those that came meanwhile first."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


class StartError(Exception):
    """A program could not be started; the message says why."""


@dataclass(slots=True)
class Child:
    """A running child and the reading ends of its two pipes (non-blocking)."""

    popen: subprocess.Popen[bytes]
    identity: ProcessId
    stdout: int
    stderr: int

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's and session's too."""
        return self.popen.pid

    def close(self) -> None:
        """Give the pipes back."""
        for stream in (self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()

    def terminate(self) -> None:
        """SIGTERM to the child alone: at once to its group, an ssh would die before its borg.

        Not by Popen, which takes the exit status of a child that has just ended: until that is
        waited for, the pid is its own, and whoever watches it finds it there.
        """
        if self.popen.returncode is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to its whole process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def start(
    argv: Sequence[bytes],
    env: Mapping[bytes, bytes],
    *,
    cwd: bytes | None = None,
    secret: str | None = None,
    stdin: bytes | None = None,
) -> Child:
    """Start a program in a session of its own; it ends when this process does.

    Its stdin holds ``stdin``, else it is ``/dev/null``. ``secret`` is put in a pipe whose number
    the variable ``BORG_PASSPHRASE_FD`` of its environment holds. Raises :class:`StartError`.
    Call it from the main thread: the kernel ties the child to the thread that starts it.
    """
    _check_startable(argv[0], cwd)
    environment = dict(env)
    if _Launcher.mark:
        environment[_MARK] = _Launcher.mark
    passed: tuple[int, ...] = ()
    if secret is not None:
        passed = (_secret_pipe(secret),)
        environment[b"BORG_PASSPHRASE_FD"] = str(passed[0]).encode()
    source = subprocess.DEVNULL if stdin is None else _memory_file(stdin)
    try:
        popen = subprocess.Popen(
            [*_Launcher.prefix, *argv],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            cwd=cwd,
            pass_fds=passed,
            start_new_session=True,
            preexec_fn=None if _Launcher.prefix else _death_setter(),  # noqa: PLW1509
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartError(f"{os.fsdecode(argv[0])} could not be started: {reason}.") from error
    finally:
        for descriptor in (*passed, source):
            if descriptor >= 0:  # DEVNULL is a negative number
                os.close(descriptor)
    return _watch(popen)


def _check_startable(program: bytes, cwd: bytes | None) -> None:
    """Say beforehand what a launcher would only say by its exit code."""
    path = os.fsdecode(program)
    if not Path(path).is_absolute():
        raise StartError(f"{path} is not the absolute path of a program.")
    if not Path(path).exists():
        raise StartError(f"{path} was not found on this machine.")
    if not os.access(program, os.X_OK):
        raise StartError(f"{path} may not be executed.")
    if cwd is not None and not Path(os.fsdecode(cwd)).is_dir():
        raise StartError(f"The folder {os.fsdecode(cwd)} does not exist.")


def could_not_start(exit_code: int, last_words: str) -> bool:
    """Whether a child was never the program: then its exit code is the launcher's."""
    return exit_code in {126, 127} and bool(_Launcher.prefix) and "setpriv: " in last_words


def is_marked(pid: int, mark: str) -> bool:
    """Whether :func:`start` has started it, or a parent of it, with this mark (not empty).

    No where its environment is not ours to read: then it is another user's by now.
    """
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return _MARK + b"=" + mark.encode() in environment.split(b"\0")


def _watch(popen: subprocess.Popen[bytes]) -> Child:
    if popen.stdout is None or popen.stderr is None:
        raise StartError("a child without pipes")  # not reached: both were asked for
    pipes = popen.stdout.fileno(), popen.stderr.fileno()
    for descriptor in pipes:
        os.set_blocking(descriptor, False)
    # Not yet waited for, so it is there, be it as a zombie.
    identity = identify(popen.pid) or ProcessId(popen.pid, 0)
    return Child(popen, identity, *pipes)


def _death_setter() -> Callable[[], None]:
    parent = os.getpid()

    def set_death_signal() -> None:
        die_with(parent)

    return set_death_signal


def _secret_pipe(secret: str) -> int:
    """The reading end of a pipe that holds ``secret``. Pipes hold 64 KiB before a write waits."""
    raw = secret.encode("utf-8", "surrogateescape")
    if len(raw) > 32 * 1024:
        raise StartError("A passphrase may have at most 32 KiB.")
    reading, writing = os.pipe()
    try:
        os.write(writing, raw)
    finally:
        os.close(writing)
    return reading


def _memory_file(data: bytes) -> int:
    """A file without a name that holds ``data``, to be read from its beginning."""
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def output_of(argv: Sequence[str], *, seconds: float, env: Mapping[str, str]) -> tuple[int, str]:
    """Run a short program to its end: exit code and the first 4 KiB of what it printed.

    Raises :class:`StartError`, also when it takes longer than ``seconds``.
    """
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            timeout=seconds,
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise StartError(f"{argv[0]} was not found on this machine.") from error
    except subprocess.TimeoutExpired as error:
        raise StartError(f"{argv[0]} gave no answer within {seconds:g} seconds.") from error
    except OSError as error:
        raise StartError(f"{argv[0]} could not be started: {error.strerror}.") from error
    return done.returncode, done.stdout[:4096].decode("utf-8", "replace")
