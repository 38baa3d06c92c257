"""Filters, globs, paging and time of searches and comparisons; what a listing's line says."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgui.borg.listing import Attributes, ListingError, parse, render, unquote
from borgui.index import ArchiveIndex, Kind, PathMissing, Query, changes, compare, search
from tests.unit.index.listings import Line, attributes, write
from tests.unit.index.test_writer import tree

DAY = 86_400_000_000


@pytest.fixture
def index(tmp_path: Path):
    path = tmp_path / "1.db"
    lines = [
        ("srv", attributes("d")),
        ("srv/Report 2026.PDF", attributes(size=100, mtime=10 * DAY)),
        ("srv/report[1].pdf", attributes(size=2000, mtime=20 * DAY)),
        ("srv/reports", attributes("d", mtime=5 * DAY)),
        ("srv/reports/a-b.txt", attributes(size=5, mtime=30 * DAY)),
        ("srv/reports/link", attributes("l", size=4, source="a-b.txt")),
    ]
    write(path, "one", lines)
    lines[1] = ("srv/Report 2026.PDF", attributes(size=101, mtime=11 * DAY))
    write(path, "two", lines)
    with ArchiveIndex(path) as index:
        yield index


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (Query("report"), {"Report 2026.PDF", "report[1].pdf", "reports"}),
        (Query("*.pdf"), {"Report 2026.PDF", "report[1].pdf"}),
        (Query("report ????.*"), {"Report 2026.PDF"}),
        (Query("report[[]1].pdf"), {"report[1].pdf"}),
        (Query("report[!s]*"), {"Report 2026.PDF", "report[1].pdf"}),
        (Query("*[z-a]*"), set()),
        (Query("[!z-a]*k"), {"link"}),
        (Query("[a"), set()),
        (Query("a[+--]b*"), {"a-b.txt"}),
        (Query("SRV/reports/*"), {"a-b.txt", "link"}),
        (Query("reports/LINK"), {"link"}),
        (Query("\0"), set()),
        (Query("nothing"), set()),
        (Query("", smallest=1000, kinds=frozenset({Kind.FILE})), {"report[1].pdf"}),
        (Query("report", largest=101, kinds=frozenset({Kind.FILE})), {"Report 2026.PDF"}),
        (Query(oldest=datetime(1970, 1, 30, tzinfo=UTC)), {"a-b.txt", "srv", "link"}),
        (Query("r", newest=datetime(1970, 1, 6, tzinfo=UTC)), {"reports"}),
        (Query(kinds=frozenset({Kind.SYMLINK})), {"link"}),
    ],
)
def test_search(index: ArchiveIndex, query: Query, names: set[str]) -> None:
    found = search(index, query)
    assert {hit.path.rpartition("/")[2] for hit in found.hits} == names
    assert found.is_complete


def test_history(index: ArchiveIndex) -> None:
    (hit,) = search(index, Query("report 2026"), ["one", "two"]).hits
    assert [(v.entry.size, v.first, v.last) for v in hit.versions] == [
        (100, "one", "one"),
        (101, "two", "two"),
    ]
    (hit,) = search(index, Query("report 2026"), ["two"]).hits
    assert [version.entry.size for version in hit.versions] == [101]
    (version,) = index.versions("srv/reports/a-b.txt", ["one", "two"])
    assert (version.first, version.last, version.archives) == ("one", "two", 2)
    assert search(index, Query("report 2026"), ["other"]).hits == []


def test_an_old_version_that_comes_back_is_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    sizes = {"a0": 10, "a1": 20, "a2": 10}
    for borg_id, size in sizes.items():
        write(path, borg_id, [("a.txt", attributes(size=size, mtime=size))])
    with ArchiveIndex(path) as index:
        versions = index.versions("a.txt", list(sizes))
    assert [(v.entry.size, v.first, v.last, v.archives) for v in versions] == [
        (20, "a1", "a1", 1),
        (10, "a0", "a2", 2),
    ]


def test_a_folder_that_is_the_whole_of_another_archive(tmp_path: Path) -> None:
    """Both are stored once; what is found in it is found at both places."""
    path = tmp_path / "1.db"
    inside = [("letters", attributes("d", mtime=DAY)), ("letters/a.txt", attributes(size=1))]
    write(path, "whole", inside)
    write(
        path,
        "above",
        [
            ("home", attributes("d", mtime=2 * DAY)),
            *((f"home/{name}", each) for name, each in inside),
        ],
    )
    with ArchiveIndex(path) as index:
        hits = search(index, Query("a.txt")).hits
        assert sorted(hit.path for hit in hits) == ["home/letters/a.txt", "letters/a.txt"]


@pytest.mark.parametrize("ask", [compare, changes])
def test_a_file_is_compared_itself(tmp_path: Path, ask: Any) -> None:
    path = tmp_path / "1.db"
    names = ("f", "same", "gone", "turned/x")
    write(path, "one", [(f"srv/{name}", attributes(size=1)) for name in names])
    names = ("same", "new", "turned")
    two = [(f"srv/{name}", attributes(size=1)) for name in names]
    write(path, "two", [("srv/f", attributes(size=7)), *two])
    with ArchiveIndex(path) as index:

        def said(place: str) -> list[tuple[str, str]]:
            found = ask(index, "one", "two", place)
            assert found.is_complete
            return [(change.status, change.path) for change in found.changes]

        assert said("srv/f") == [("modified", "srv/f")]
        counts = ask(index, "one", "two", "srv/f").counts
        assert (counts.modified, counts.added_size, counts.removed_size) == (1, 7, 1)
        assert said("srv/same") == []
        assert said("srv/gone") == [("removed", "srv/gone")]
        assert said("srv/new") == [("added", "srv/new")]
        assert said("srv/turned") == [("removed", "srv/turned"), ("added", "srv/turned")]
        with pytest.raises(PathMissing):
            said("srv/none")


def test_which_name_of_a_hard_link_comes_first_is_no_change(tmp_path: Path) -> None:
    """``b`` is there alone; then ``a`` is made a link to it, and ``b`` is listed as one of it."""
    path = tmp_path / "1.db"
    file = attributes(size=10, mtime=DAY)
    later = attributes("h", mtime=DAY, source="srv/a")
    write(path, "one", [("srv/b", file), ("srv/z", file), ("top", file)])
    write(path, "two", [("srv/a", file), ("srv/b", later), ("srv/z", later), ("top", later)])
    write(path, "three", [("srv/a", file), ("srv/b", later), ("srv/z", file), ("top", file)])
    grown = attributes(size=11, mtime=2 * DAY)
    link = attributes("h", mtime=2 * DAY, source="srv/a")
    write(path, "four", [("srv/a", grown), ("srv/b", link), ("srv/z", file), ("top", file)])
    with ArchiveIndex(path) as index:
        versions = index.versions("srv/b", ["one", "two", "three", "four"])
        assert [(v.entry.size, v.first, v.last, v.archives) for v in versions] == [
            (10, "one", "three", 3),
            (11, "four", "four", 1),
        ]
        flat = changes(index, "one", "two")
        assert [(each.status, each.path) for each in flat.changes] == [("added", "srv/a")]
        assert changes(index, "two", "three").changes == []
        assert compare(index, "two", "three").changes == []
        assert compare(index, "one", "three", "srv/b").changes == []
        flat = changes(index, "three", "four")
        assert [(each.status, each.path) for each in flat.changes] == [
            ("modified", "srv/a"),
            ("modified", "srv/b"),
        ]
        assert (flat.counts.added_size, flat.counts.removed_size) == (22, 20)


def test_the_versions_of_a_path_cost_one_look_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    ids = [f"{number:02}" for number in range(20)]
    for number, borg_id in enumerate(ids):
        deep = [("srv/a/b/file", attributes()), (f"other/{number}", attributes(mtime=number))]
        write(path, borg_id, deep)
    statements: list[str] = []
    with ArchiveIndex(path) as index:
        index.connection.set_trace_callback(statements.append)
        for name in ("file", "none", "file"):
            versions = index.versions(f"srv/a/b/{name}", ids)
            assert [version.archives for version in versions] == ([20] if name == "file" else [])
    # a root of their own, and "srv" in it, is what these archives have to be looked into for
    assert len(statements) < 2 * len(ids) + 20


def test_a_first_name_that_cannot_be_told(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    later = attributes("h", mtime=DAY, source="caf?")
    write(path, "one", [("caf\udce9", attributes(size=5, mtime=DAY)), ("z", later)])
    write(path, "two", [("caf?", attributes(size=7, mtime=3 * DAY)), ("z", later)])
    with ArchiveIndex(path) as index:
        (version,) = index.versions("z", ["one", "two"])
        assert (version.entry.size, version.archives) == (None, 2)


def shared(places: Iterable[str]) -> list[Line]:
    """The same folder at many places, with other things beside it."""
    lines: list[Line] = []
    for number, place in enumerate(places):
        lines += [
            (place, attributes("d")),
            (f"{place}/same", attributes("d")),
            (f"{place}/same/deep", attributes("d")),
            (f"{place}/same/deep/a.txt", attributes()),
            (f"{place}/{number}", attributes(mtime=number)),
        ]
    return lines


def test_a_folder_at_very_many_places(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    write(path, "one", shared(f"{number:02}" for number in range(20)))
    write(path, "two", shared(f"{number:02}" for number in range(40)))
    with ArchiveIndex(path) as index, patch("borgui.index.searching.MOST_PLACES", 5):
        for place in ("00", "17", "19"):
            found = search(index, Query(f"{place}/same/deep/a.txt"), ["one"])
            assert [hit.path for hit in found.hits] == [f"{place}/same/deep/a.txt"]
            assert found.is_complete
        assert not search(index, Query("a.txt"), ["one"]).is_complete
        # what is below of a place that was left out may be the one that was asked for
        assert not search(index, Query("19/same/deep/a.txt"), ["one", "two"], limit=1).has_more
        assert not search(index, Query("same/deep/a.txt"), ["one"]).is_complete
        with patch("borgui.index.searching.MOST_PARENTS", 10):
            assert not search(index, Query("19/same/deep/a.txt"), ["one"]).is_complete


def test_pages_and_time(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    write(path, "one", tree(30, 10))
    write(path, "two", tree(40, 11))
    with ArchiveIndex(path) as index:
        whole = search(index, Query("file"), limit=1000)
        assert (len(whole.hits), whole.has_more) == (440, False)
        second = search(index, Query("file"), offset=100, limit=50)
        assert second.hits == whole.hits[100:150]
        assert second.has_more
        assert not search(index, Query("file-"), seconds=0).is_complete
        with patch("borgui.index.searching.VERSIONS_SECONDS", -60):
            late = search(index, Query("file"))
        assert (late.hits, late.has_more, late.is_complete) == ([], True, False)
        page = compare(index, "one", "two", "srv", offset=5, limit=10)
        assert [change.entry.name for change in page.changes] == [f"{n:04}" for n in range(5, 15)]
        assert page.has_more
        assert (page.counts.added, page.counts.removed, page.counts.modified) == (140, 0, 0)
        assert page.changes[0].counts.added_size == 10
        flat = changes(index, "two", "one", offset=29, limit=2)
        assert [(each.status, each.path) for each in flat.changes] == [
            ("removed", "srv/0029/file-00010.dat"),
            ("removed", "srv/0030"),
        ]
        assert not changes(index, "one", "two", limit=1000, seconds=0).is_complete
        with pytest.raises(LookupError):
            compare(index, "one", "two", "srv/none")


ITEMS = st.builds(
    Attributes,
    st.sampled_from("-dlhpbcs"),
    st.just("rwxr-xr-x"),
    st.integers(0, 2**32),
    st.integers(0, 2**32),
    st.text(),
    st.text(),
    st.integers(0, 2**62),
    st.integers(0, 2**60),
    st.booleans(),
    st.text(),
)


@given(ITEMS)
def test_attributes_are_read_as_they_are_said(item: Attributes) -> None:
    assert parse(render(item)) == item


@given(st.text(st.characters()))
def test_literals(text: str) -> None:
    assert unquote(repr(text)) == text


@pytest.mark.parametrize("literal", ["", "'", "x", "b'x'", "'x", "1", "f'{x}'", "'\\"])
def test_no_literals(literal: str) -> None:
    with pytest.raises(ListingError):
        unquote(literal)
