"""The file of a content diff: in order, by folder, by change, page by page."""

import os
import sqlite3
from pathlib import Path

import pytest

from borgui.borg.differences import Change, Difference
from borgui.diff_file import DiffWriter, Sums, opened

ODD = os.fsdecode(b"srv/caf\xe9")


def added(path: str, size: int = 1) -> Difference:
    return Difference(path, frozenset({Change.ADDED}), "file", size)


def content(path: str, new: int = 5, gone: int = 3, *, doubt: bool = False) -> Difference:
    return Difference(path, frozenset({Change.CONTENT}), "file", new, gone, is_doubtful=doubt)


def written(path: Path, *given: Difference) -> Sums:
    with DiffWriter(path.with_suffix(".part")) as writer:
        for each in given:
            writer.add(each)
        writer.sort()
        return writer.finish(path)


def paths(path: Path, change: Change | None = None, folder: str = "") -> list[str]:
    with opened(path) as found:
        page = found.page(change, folder)
        assert found.total(change, folder) == len(page)
        return [each.path for each in page]


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    given = [
        added("b", 7),
        Difference(
            ODD,
            frozenset({Change.MODE, Change.OWNER, Change.CONTENT}),
            "file",
            None,
            None,
            ("-rw-r--r--", "-rwxr-xr-x"),
            ("anna:users", "root:root"),
        ),
        Difference("x", frozenset({Change.OTHER})),
    ]
    assert written(path, *given) == Sums(
        3,
        dict.fromkeys(Change, 0)
        | dict.fromkeys((Change.ADDED, Change.MODE, Change.OWNER, Change.CONTENT, Change.OTHER), 1),
        7,
        0,
    )
    with opened(path) as found:
        assert found.page() == given
        assert found.sums() == found.sums()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_one_range(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    names = ["a/b/c", "a/b", "a/b-c", "a/b.txt", "a", "ab", "a/b/c/d", "a/c", "a/b!"]
    written(path, *(added(name) for name in names))
    everything = ["a", "a/b", "a/b/c", "a/b/c/d", "a/b!", "a/b-c", "a/b.txt", "a/c", "ab"]
    assert paths(path) == everything
    assert paths(path, folder="a/b") == ["a/b", "a/b/c", "a/b/c/d"]
    assert paths(path, folder="a") == everything[:-1]
    assert paths(path, folder="a/b/c/d") == ["a/b/c/d"]
    assert paths(path, folder="nowhere") == []
    assert paths(path, Change.REMOVED) == []


def test_pages_and_filters(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    given = [added(f"{number:05}") if number % 3 else content(f"{number:05}")
             for number in range(5000)]  # fmt: skip
    sums = written(path, *reversed(given))
    assert sums.entries[Change.CONTENT] == 1667
    assert (sums.added, sums.removed) == (3333 + 1667 * 5, 1667 * 3)
    with opened(path) as found:
        assert found.page(offset=4990, limit=100) == given[4990:]
        page = found.page(Change.CONTENT, offset=1000, limit=2)
        assert [each.path for each in page] == ["03000", "03003"]
        assert found.counts()[Change.ADDED] == 3333
        assert found.counts("03000")[Change.CONTENT] == 1


def test_doubts(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    mode = Difference(
        "mode",
        frozenset({Change.MODE, Change.CONTENT}),
        "file",
        0,
        0,
        ("a", "b"),
        is_doubtful=True,
    )
    with DiffWriter(path.with_suffix(".part")) as writer:
        for each in (content("real", doubt=True), content("false", 0, 0, doubt=True), mode):
            writer.add(each)
        writer.add(Difference("times", frozenset()))
        assert (writer.taken, writer.times_only, writer.doubtful) == (3, 1, 3)
        writer.sort()
        writer.confirm(["real", "nowhere"])
        assert writer.dismiss_doubtful() == 1
        assert (writer.taken, writer.times_only) == (2, 2)
        writer.finish(path)
    with opened(path) as found:
        one, two = found.page()
    assert (one.path, set(one.changes), one.added) == ("mode", {Change.MODE}, None)
    assert (two.path, set(two.changes), two.added) == ("real", {Change.CONTENT}, 5)


def test_nothing_differs(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    assert written(path, Difference("a", frozenset())).total == 0
    assert paths(path) == []


def test_names_that_borg_does_not_show(tmp_path: Path) -> None:
    """Borg 1.4 writes ``?`` for each byte of a name that is no UTF-8."""
    path = tmp_path / "1.db"
    with DiffWriter(tmp_path / "1.part", is_exact=False) as writer:
        for name in ("caf?/one", "caf?/one", "caf?", "plain"):
            writer.add(added(name))
        writer.sort()
        assert writer.finish(path).total == 4
    with opened(path) as found:
        exact = {each.path: each.is_exact for each in found.page()}
        assert exact == {"caf?": False, "caf?/one": False, "plain": True}
        assert found.total(None, os.fsdecode(b"caf\xe9")) == 3
        assert found.total(Change.ADDED, os.fsdecode(b"caf\xe9/one")) == 2


def test_what_is_not_finished_is_removed(tmp_path: Path) -> None:
    with DiffWriter(tmp_path / "1.part") as writer:
        writer.add(added("a"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    with pytest.raises(FileNotFoundError), opened(path):
        pass
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError), opened(path):
        pass
    path.unlink()
    sqlite3.connect(path).close()
    path.touch()
    with pytest.raises(sqlite3.DatabaseError), opened(path):
        pass
