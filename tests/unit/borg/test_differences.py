"""What ``borg diff`` prints, read from recorded runs of both versions."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.borg.differences import Change, Difference, DifferenceError, parse
from tests.unit.borg import streams

MODES = ("-rw-r--r--", "-rwxr-xr-x")


def recorded(version: str, name: str) -> dict[str, Difference]:
    lines = streams.stdout(version, name).splitlines()
    return {each.path.removeprefix("srv/small/"): each for each in map(parse, lines)}


@pytest.mark.parametrize("version", streams.VERSIONS)
def test_recorded(version: str) -> None:
    found = recorded(version, "diff-json-lines")
    changes = {path: set(each.changes) for path, each in found.items()}
    is_old = version == "1.2.4"
    false = {Change.CONTENT} if is_old else set()
    assert changes == {
        "srv/small": set(),
        "keep.txt": false,
        "mod.txt": {Change.CONTENT},
        "mode.sh": {Change.MODE, *false},
        "owner.txt": {Change.OWNER, *false},
        "link": {Change.LINK},
        "type": {Change.MODE},
        "newlink": {Change.ADDED},
        "newdir": {Change.ADDED},
        "newdir/new.txt": {Change.ADDED},
        "gone.txt": {Change.REMOVED},
        "olddir": {Change.REMOVED},
        "oldlink": {Change.REMOVED},
    }
    doubtful = {path for path, each in found.items() if each.is_doubtful}
    assert doubtful == ({"keep.txt", "mode.sh", "owner.txt"} if is_old else set())
    assert (found["mod.txt"].added, found["mod.txt"].removed) == (600, 400)
    assert (found["newdir/new.txt"].added, found["newdir/new.txt"].removed) == (30, None)
    assert (found["gone.txt"].added, found["gone.txt"].removed) == (None, 500)
    assert found["mode.sh"].modes == MODES
    assert found["owner.txt"].owners == ("root:root", "www-data:www-data")
    assert [found[name].kind for name in ("newlink", "olddir", "gone.txt", "type")] == [
        "symlink",
        "folder",
        "file",
        "folder",
    ]


def test_contents_alone() -> None:
    whole = recorded("1.4.5", "diff-json-lines")
    alone = recorded("1.4.5", "diff-json-lines-content-only")
    assert {path: each.changes for path, each in alone.items()} == {
        path: each.changes
        for path, each in whole.items()
        if each.changes - {Change.MODE, Change.OWNER}
    }
    assert not any(each.is_doubtful for each in alone.values())


def line(path: str, *changes: dict[str, object]) -> bytes:
    return json.dumps({"path": path, "changes": changes}).encode()


def test_special_files() -> None:
    """As seen of 1.2.4."""
    assert parse(line("a", {"type": "added fifo"})) == Difference(
        "a", frozenset({Change.ADDED}), "fifo"
    )
    assert parse(line("a", {"type": "removed chrdev"})).kind == "character_device"
    assert parse(line("a", {"type": "removed whatever"})).kind == "other"


def test_unlike_blocks_are_not_counted() -> None:
    """Archives with other chunker params: borg tells only that a content differs."""
    times = {"type": "mtime", "old_mtime": "x", "new_mtime": "y"}
    sure = parse(line("a", {"type": "modified"}))
    assert (sure.added, sure.removed, sure.is_doubtful) == (None, None, False)
    assert parse(line("a", {"type": "modified"}, times)).is_doubtful
    counted = {"type": "modified", "added": 1, "removed": 0}
    assert not parse(line("a", counted, times)).is_doubtful


def test_a_path_that_is_no_text() -> None:
    found = parse(rb'{"path": "caf\udce9", "changes": [{"type": "added", "size": 0}]}')
    assert found.path.encode("utf-8", "surrogateescape") == b"caf\xe9"
    assert found.is_odd
    assert found.added == 0
    assert not parse(line("wh?t", {"type": "added", "size": 0})).is_odd


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"path": "a"}',
        b'{"path": 1, "changes": []}',
        b'{"path": "", "changes": []}',
        b'{"path": "a\\u0000b", "changes": []}',
        b'{"path": "a\\ud800", "changes": []}',
        b'{"path": "a", "changes": [1]}',
        b'{"path": "a", "changes": [{"type": "mode"}]}',
        b'{"path": "a", "changes": [{"type": "modified", "added": "much"}]}',
    ],
)
def test_what_is_no_line_of_it(text: bytes) -> None:
    with pytest.raises(DifferenceError):
        parse(text)


def test_a_change_borg_does_not_explain() -> None:
    assert parse(line("a")).changes == {Change.OTHER}
    assert parse(line("a", {"type": "acl"})).changes == {Change.OTHER}


@given(st.binary(max_size=200))
def test_anything(data: bytes) -> None:
    with suppress(DifferenceError):
        parse(data)
