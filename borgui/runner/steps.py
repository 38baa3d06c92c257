"""Runs one step: a program, its events folded, its output read, its end judged."""

import json
import os
import time
from dataclasses import dataclass
from typing import Any, Protocol

from borgui.borg.display import printable_path
from borgui.borg.errors import Verdict, judge
from borgui.borg.events import Event, parse_line, printable, renamed
from borgui.borg.output import Created, OutputError, parse_create
from borgui.borg.progress import Progress, ProgressFold
from borgui.runner import process, streams
from borgui.runner.failure import FailedError
from borgui.runner.logfile import JobLog
from borgui.runner.scan import Scan
from borgui.runner.spec import Step, unpack

ANSWERING = frozenset({"create", "list", "info", "look", "verify"})
"""Steps whose stdout is one JSON object. Of all others stdout goes to the log."""

PATIENCE = 0.25
"""Seconds between two looks at what else may have happened."""


class Reader:
    """What is made of a program's output beside progress and verdict. This one makes nothing."""

    halt: FailedError | None = None
    """Set it to have the program ended: why nothing good can come of it any more."""

    pause: float = 0
    """Seconds between two reads of stdout, for output that comes in many small pieces."""

    def output(self, data: bytes) -> bool:  # noqa: ARG002
        """Take a piece of stdout as it came; whether nobody is to read it line by line."""
        return False

    def line(self, line: bytes) -> bool:  # noqa: ARG002
        """Take a line of stdout; whether it is not to be logged. Not for steps that answer."""
        return False

    def event(self, event: Event) -> bool:  # noqa: ARG002
        """Look at an event of stderr; whether it is not to be logged."""
        return False

    def shown(self, progress: Progress) -> Progress:
        """What is to be published; called a few times a second."""
        return progress

    def over(self) -> str | None:
        """Why the program is to end now although nothing is wrong; called a few times a second."""
        return None

    def ask_to_end(self, child: process.Child) -> None:
        """Make the program end in order: called once, for whatever reason."""
        child.terminate()


class Run(Protocol):
    """What a step needs of the job it belongs to."""

    log: JobLog

    def stop_reason(self) -> str | None:
        """Why the job must end now: ``cancelled``, ``time_limit``, ``stopped``, …"""

    def began(self, child: process.Child) -> None:
        """A process runs."""

    def progress(self, progress: Progress) -> None:
        """Its state; called often, cheap when nothing is due."""

    grace: float
    """Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. ``answer``: the JSON object it printed, for steps that answer."""

    exit_code: int
    verdict: Verdict
    progress: Progress
    answer: dict[str, Any] | None
    stopped: str | None
    """The reason it was ended for, if it was."""


def run(
    job: Run,
    step: Step,
    argv: list[str],
    env: dict[str, str],
    secret: str | None,
    reader: Reader | None = None,
) -> Ended:
    """Run a program to its end. Raises :class:`~borgui.runner.process.StartError`.

    ``env`` is the whole environment. Where its ``BORG_REPO`` differs from the step's, borg's words
    on it come with that of the step.
    """
    child = process.start(
        [os.fsencode(word) for word in argv],
        {os.fsencode(name): os.fsencode(value) for name, value in env.items()},
        cwd=None if step.cwd is None else os.fsencode(step.cwd),
        secret=secret,
        stdin=step.stdin,
    )
    try:
        job.began(child)
        watch = _Watch(job, step, child, env, reader or Reader())
        try:
            watch.read()
        finally:
            watch.scan.stop()
        if watch.stopped:
            child.kill()  # what is left of its group; the leader's pid is still its own
    except BaseException:
        child.kill()  # nobody reads what it prints any more, which it would wait for
        raise
    finally:
        code = child.popen.wait()
        child.close()
    return watch.conclude(code)


class _Watch:
    """One process under way."""

    def __init__(
        self,
        job: Run,
        step: Step,
        child: process.Child,
        env: dict[str, str],
        reader: Reader,
    ) -> None:
        self.stopped: str | None = None
        self._job = job
        self._step = step
        self._child = child
        self._reader = reader
        self._kill_at: float | None = None
        self._lines, self._printed = streams.Lines(), streams.Lines()
        self._answer = streams.Answer()
        self._env = env
        self._given, self._repository = env.get("BORG_REPO"), step.env.get("BORG_REPO")
        self._expected = _expected_size(step)
        self._fold = ProgressFold(step.name, time.monotonic(), self._expected)
        wanted = step.name == "create" and not self._expected
        self.scan = Scan.beside(step, env) if wanted else Scan.none()

    def read(self) -> None:
        """Read until it has ended."""
        streams.read_to_end(
            self._child, self._take_stdout, self._take_stderr, self._tick, self._reader.pause
        )
        self._take_lines(self._lines.last())
        self._print(self._printed.last())

    def conclude(self, code: int) -> Ended:
        """The verdict on the process that ended with ``code``."""
        now = time.monotonic()
        last_words = " ".join(self._fold.evidence.plain)
        if process.could_not_start(code, last_words):
            raise process.StartError(last_words)
        answer = self._read_answer()
        created = _created(answer) if self._step.name == "create" else None
        sources = [unpack(each) for each in self._step.parameters.get("sources_b64", ())]
        verdict = judge(
            self._step.name, code, self._fold.evidence, created=created, sources=sources
        )
        is_well = created is not None and verdict.status == "completed"
        progress = (
            self._fold.final(created.stats, now)
            if is_well and created is not None
            else self._reader.shown(self._fold.snapshot(now))
        )
        return Ended(code, verdict, progress, answer, self.stopped)

    def _take_stdout(self, data: bytes) -> None:
        if self._step.name in ANSWERING:
            self._answer.feed(data)
        elif not self._reader.output(data):
            self._print(self._printed.feed(data))

    def _take_stderr(self, data: bytes) -> None:
        self._take_lines(self._lines.feed(data))

    def _take_lines(self, lines: list[bytes]) -> None:
        now = time.monotonic()
        for line in lines:
            for event in map(self._in_own_terms, parse_line(line)):
                self._fold.feed(event, now)
                text = None if self._reader.event(event) else printable(event)
                if text is not None:
                    self._job.log.line(text)

    def _in_own_terms(self, event: Event) -> Event:
        """With the repository's own path, where borg was given a link to it."""
        if self._given is None or self._repository in {self._given, None}:
            return event
        return renamed(event, self._given, printable_path(self._repository))

    def _print(self, lines: list[bytes]) -> None:
        for line in lines:
            if not self._reader.line(line) and line.strip():
                self._job.log.line(line.decode("utf-8", "replace"))

    def _tick(self) -> float:
        now = time.monotonic()
        if self._expected and self._fold.is_outgrown:
            self._expected = None  # what the last archive says: they are counted, once
            self.scan = Scan.beside(self._step, self._env)
        found = self.scan.take()
        if found is not None:
            self._fold.expect(found.original_size)
        self._job.progress(self._reader.shown(self._fold.snapshot(now)))
        if self.stopped is None:
            halted = "halted" if self._reader.halt else None
            self.stopped = halted or self._job.stop_reason() or self._reader.over()
            if self.stopped is not None:
                self._reader.ask_to_end(self._child)
                self._kill_at = now + self._job.grace
        elif self._kill_at is not None and now >= self._kill_at:
            self._job.log.line(f"It did not end within {self._job.grace:g} seconds: killed.")
            self._child.kill()
            self._kill_at = None
        return PATIENCE

    def _read_answer(self) -> dict[str, Any] | None:
        if self._answer.overflowed:
            self._job.log.line("borg's answer is larger than 64 MiB and was dropped.")
            return None
        try:
            answer = json.loads(self._answer.data or b"null")
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None


def _expected_size(step: Step) -> int | None:
    size = (step.parameters.get("expected") or {}).get("original_size")
    return size if isinstance(size, int) and size > 0 else None


def _created(answer: dict[str, Any] | None) -> Created | None:
    if answer is None:
        return None
    try:
        return parse_create(json.dumps(answer).encode())
    except OutputError:
        return None
