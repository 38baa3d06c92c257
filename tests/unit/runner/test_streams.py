"""Lines out of chunks, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from borgui.runner.streams import LARGEST_ANSWER, LONGEST_LINE, Answer, Lines


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
