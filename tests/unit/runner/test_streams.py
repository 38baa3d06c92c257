"""Lines out of chunks, in bounded memory."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.runner import process
from borgui.runner.streams import LARGEST_ANSWER, LONGEST_LINE, Answer, Lines, read_to_end


@given(st.lists(st.binary(max_size=50)))
def test_lines(chunks: list[bytes]) -> None:
    lines = Lines()
    found = [line for chunk in chunks for line in lines.feed(chunk)] + lines.last()

    whole = b"".join(chunks)
    expected = whole.split(b"\n")
    assert found == (expected[:-1] if expected[-1] == b"" else expected)


def test_line_without_end() -> None:
    lines = Lines()
    for _ in range(100):
        assert lines.feed(b"x" * 10_000) == []
    assert [len(line) for line in lines.feed(b"\nnext\n")] == [LONGEST_LINE, 4]


def test_answer() -> None:
    answer = Answer()
    answer.feed(b"x" * LARGEST_ANSWER)
    assert not answer.overflowed
    answer.feed(b"y")
    assert answer.overflowed
    assert len(answer.data) == LARGEST_ANSWER


def pieces(script: str, pause: float, *, end_after: float | None = None) -> tuple[list[bytes], int]:
    """What a shell's stdout came in, and how it ended; a SIGTERM after ``end_after`` seconds."""
    child = process.start([b"/bin/sh", b"-c", script.encode()], {b"PATH": b"/bin:/usr/bin"})
    found: list[bytes] = []
    began = time.monotonic()

    def tick() -> float:
        if end_after is not None and time.monotonic() - began > end_after:
            child.terminate()
        return 0.25

    read_to_end(child, found.append, lambda _: None, tick, pause)
    code = child.popen.wait()
    child.close()
    return found, code


def test_a_stop_as_the_child_ends() -> None:
    """It ends between two looks, and is asked to end before the second."""
    child = process.start([b"/bin/sh", b"-c", b"sleep 0.3; exit 3"], {b"PATH": b"/bin:/usr/bin"})

    def tick() -> float:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        child.terminate()
        return 0.25

    read_to_end(child, lambda _: None, lambda _: None, tick)
    assert child.popen.wait() == 3
    child.close()


LINE_BY_LINE = "for i in $(seq 40); do echo $i; sleep 0.002; done"


def test_a_pause_gathers_small_pieces() -> None:
    eager, _ = pieces(LINE_BY_LINE, 0)
    calm, code = pieces(LINE_BY_LINE, 0.05)
    assert b"".join(calm) == b"".join(eager) == b"".join(b"%d\n" % i for i in range(1, 41))
    assert len(calm) * 2 < len(eager)
    assert code == 0


@pytest.mark.parametrize("pause", [0, 0.005])
def test_a_stop_is_seen_while_much_is_written(pause: float) -> None:
    began = time.monotonic()
    _, code = pieces("while :; do echo line; done", pause, end_after=0.2)
    assert code == -15
    assert time.monotonic() - began < 2
