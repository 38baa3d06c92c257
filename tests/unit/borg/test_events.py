import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.borg.events import (
    ArchiveProgress,
    FileStatus,
    LogMessage,
    PlainText,
    ProgressMessage,
    ProgressPercent,
    Question,
    parse_line,
    printable,
    renamed,
)
from tests.unit.borg.streams import all_names, load

KINDS = [
    "archive_progress",
    "progress_percent",
    "progress_message",
    "log_message",
    "file_status",
    "question_prompt",
    "x",
]


def test_archive_progress() -> None:
    line = (
        b'{"original_size": 3, "compressed_size": 2, "deduplicated_size": 1, "nfiles": 5, '
        b'"path": "srv/a", "time": 1.5, "type": "archive_progress", "finished": false}\n'
    )
    assert parse_line(line) == (ArchiveProgress(False, 3, 2, 1, 5, "srv/a"),)


def test_last_archive_progress_knows_nothing() -> None:
    line = b'{"time": 1, "type": "archive_progress", "finished": true}'
    assert parse_line(line) == (ArchiveProgress(True),)


def test_object_after_a_prompt() -> None:
    line = b'Enter passphrase for key /r: {"type": "log_message", "message": "no"}'
    text, event = parse_line(line)
    assert text == PlainText("Enter passphrase for key /r:")
    assert event == LogMessage("", "", "no", None)


def test_other_kinds() -> None:
    assert parse_line(b'{"type": "file_status", "status": "A", "path": "/a"}') == (
        FileStatus("A", "/a"),
    )
    assert parse_line(b'{"type": "question_accepted_false", "msgid": "M", "message": "x"}') == (
        Question("accepted_false", "M", "x"),
    )
    assert parse_line(
        b'{"type": "progress_message", "operation": 2, "msgid": "c", "finished": true}'
    ) == (ProgressMessage(2, "c", True),)
    assert parse_line(
        b'{"type": "progress_percent", "operation": 1, "msgid": "m", "finished": false,'
        b' "message": " 5%", "current": 1, "total": 20, "info": null}'
    ) == (ProgressPercent(1, "m", False, " 5%", 1, 20),)


@pytest.mark.parametrize("line", [b"", b"\n", b"  \r\n"])
def test_empty_line(line: bytes) -> None:
    assert parse_line(line) == ()


@pytest.mark.parametrize(
    "line",
    [
        b"usage: borg create",
        b"[1, 2]",
        b'{"type": "unheard_of"}',
        b'{"type": 5}',
        b'{"a": ',
        b'{"a":' * 5000,
        b'{"type": "log_message", "time": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
    ],
)
def test_garbage_is_text(line: bytes) -> None:
    (event,) = parse_line(line)
    assert isinstance(event, PlainText)


def test_wrong_types_become_unknown() -> None:
    line = b'{"type": "archive_progress", "original_size": "x", "nfiles": true, "path": 7,'
    line += b' "compressed_size": NaN, "deduplicated_size": -1, "finished": 1}'
    assert parse_line(line) == (ArchiveProgress(False),)


def test_lone_surrogate_can_be_stored() -> None:
    (event,) = parse_line(b'{"type": "log_message", "message": "a\\udce9b"}')
    assert event == LogMessage("", "", "a?b")


@given(st.binary(max_size=300))
def test_never_raises_on_bytes(line: bytes) -> None:
    for event in parse_line(line):
        printable(event)


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
_VALUES |= st.lists(st.integers(), max_size=2)
_KEYS = [
    "original_size",
    "nfiles",
    "path",
    "finished",
    "operation",
    "msgid",
    "message",
    "current",
    "total",
    "levelname",
    "name",
    "status",
]


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(_KEYS), _VALUES))
def test_never_raises_on_objects(kind: str, fields: dict[str, object]) -> None:
    for event in parse_line(json.dumps({**fields, "type": kind}).encode()):
        printable(event)


@pytest.mark.parametrize(("version", "name"), all_names())
def test_recorded_runs(version: str, name: str) -> None:
    case = load(version, name)
    for event in case.events:
        if isinstance(event, PlainText):
            assert '"type": "' not in event.text


def test_borg_speaks_of_a_place_by_another_name() -> None:
    said = "Repository /l/1 does not exist."
    wanted = "Repository /srv/r does not exist."
    assert renamed(LogMessage("ERROR", "borg", said, "x"), "/l/1", "/srv/r") == LogMessage(
        "ERROR", "borg", wanted, "x"
    )
    assert renamed(Question("prompt", "x", said), "/l/1", "/srv/r").message == wanted  # type: ignore[union-attr]
    assert renamed(PlainText(said), "/l/1", "/srv/r") == PlainText(wanted)
    listed = FileStatus("A", "/l/1")
    assert renamed(listed, "/l/1", "/srv/r") is listed
