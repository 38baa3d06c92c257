"""The log's three forms agree, and keep their bounds."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui import live
from borgui.runner.logfile import HEAD, TAIL, CappedText, JobLog

MOMENT = datetime(2026, 11, 23, 18, 29, 8, 500_000, tzinfo=UTC)


@given(st.lists(st.text(max_size=9000), max_size=30))
def test_capped(parts: list[str]) -> None:
    capped, whole = CappedText(), b""
    for part in parts:
        data = part.encode("utf-8", "replace")
        capped.add(data)
        whole += data
    text = capped.text()

    assert capped.size == len(whole)
    if len(whole) <= HEAD + TAIL:
        assert text.encode() == whole
        return
    head, _, rest = text.partition("\n[… ")
    number, _, tail = rest.partition(" bytes are left out here; the log file has them …]\n\n")
    assert whole.startswith(head.encode())
    assert whole.endswith(tail.encode())
    assert len(head.encode()) <= HEAD
    assert len(tail.encode()) <= TAIL
    assert int(number.replace(",", "")) == len(whole) - len(head.encode()) - len(tail.encode())


def test_cap_is_exact() -> None:
    capped = CappedText()
    capped.add(b"x" * (HEAD + TAIL))
    assert not capped.truncated
    assert len(capped.text()) == HEAD + TAIL
    capped.add(b"y")
    assert capped.truncated
    assert capped.text() == (
        "x" * HEAD
        + "\n[… 1 bytes are left out here; the log file has them …]\n\n"
        + "x" * (TAIL - 1)
        + "y"
    )


def test_lines(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "1.log", lambda text: text.replace("secret", "****"))
    log.line("one secret\n", MOMENT)
    log.line("two\nlines \x1b[31m\ttab\r", MOMENT)
    log.close()

    assert (tmp_path / "1.log").read_text() == (
        "2026-11-23T18:29:08Z one ****\n2026-11-23T18:29:08Z two\n    lines \\x1b[31m\ttab\n"
    )
    assert log.capped.text() == log.tail.decode() == (tmp_path / "1.log").read_text()
    assert (log.base, log.end) == (0, (tmp_path / "1.log").stat().st_size)
    assert (tmp_path / "1.log").stat().st_mode & 0o777 == 0o600


def test_long_line(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "1.log", str)
    log.line("x" * 100_000, MOMENT)

    assert log.tail.endswith(b"xxx [\xe2\x80\xa6 34,464 characters cut]\n")


def test_tail_is_trimmed_at_a_line(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "1.log", str)
    for number in range(9000):
        log.line(f"line {number} ä", MOMENT)
    whole = (tmp_path / "1.log").read_bytes()

    assert live.TAIL_KEEP - 100 < len(log.tail) <= live.TAIL_LIMIT
    assert whole[log.base : log.end] == log.tail
    assert log.tail.startswith(b"2026-")
    assert log.end == len(whole)


@pytest.mark.parametrize("size", [0, 10, HEAD, HEAD + 10, HEAD + TAIL, 200_000])
def test_goes_on_where_it_stopped(tmp_path: Path, size: int) -> None:
    (tmp_path / "1.log").write_bytes(b"abcdefghi\n" * (size // 10) + b"x" * (size % 10))
    log = JobLog(tmp_path / "1.log", str)
    log.line("more", MOMENT)
    whole = (tmp_path / "1.log").read_bytes()

    assert (log.base, log.end, log.capped.size) == (size, len(whole), len(whole))
    expected = CappedText()
    expected.add(whole)
    assert log.capped.text() == expected.text()


def test_no_folder(tmp_path: Path) -> None:
    """A log that cannot be written is kept in memory all the same."""
    (tmp_path / "file").touch()
    log = JobLog(tmp_path / "file" / "1.log", str)
    log.line("text", MOMENT)

    assert log.problem is not None
    assert "text" in log.capped.text()
