"""Random archives: the index answers as the plain model does."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from borgui.index import (
    ArchiveIndex,
    Kind,
    PathMissing,
    Query,
    Sort,
    Status,
    changes,
    compare,
    drop,
    schema,
    search,
    store,
    tree,
)
from borgui.index import rows as rows_module
from tests.unit.index.listings import Line, Model, attributes, write

NAMES = st.sampled_from(
    ["a", "B", "b", "ab", "Straße", "e\u0301", "é", "x\udce9", "n\nl", "it's", "?"]
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
ITEMS = st.builds(
    attributes,
    st.sampled_from("--dlhp"),
    size=st.integers(0, 3),
    mtime=st.integers(0, 3),
    source=st.sampled_from(["", "to/there"]),
    is_broken=st.booleans(),
).filter(
    lambda item: (item.kind == "h") <= bool(item.source) and (item.kind in "lh" or not item.source)
)
LISTINGS = st.lists(st.tuples(PATHS, ITEMS), max_size=25)


@contextmanager
def small_limits() -> Iterator[None]:
    """Everything that is meant for huge folders happens to small ones."""
    with (
        patch.object(tree, "HELD", 6),
        patch.object(tree, "PILE", 2),
        patch.object(store, "BIG", 3),
        patch.object(store, "NAMES_BLOCK", 2),
        patch.object(store, "ORDER_BLOCK", 2),
        patch("borgui.index.names.NAMES_BLOCK", 4),
        patch("borgui.index.reader.BIG", 3),
        patch("borgui.index.reader.ORDER_BLOCK", 2),
        patch.object(rows_module, "SCANNED", 1),
        patch("borgui.index.writer.BATCH_BYTES", 200),
        patch("borgui.index.sweeping.BATCH", 3),
        patch("borgui.index.sweeping.PAGES", 4),
    ):
        yield


@pytest.fixture(params=["usual limits", "small limits"])
def limits(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "usual limits":
        yield
    else:
        with small_limits():
            yield


@contextmanager
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "indexes" / "1.db"


def check_folders(index: ArchiveIndex, borg_id: str, model: Model) -> None:
    for folder in model.folders:
        page = index.folder(borg_id, folder, limit=1000)
        assert [entry.name for entry in page.entries] == model.names(folder)
        assert page.total == len(page.entries)
        for entry in page.entries:
            check_entry(entry, model)
            assert index.entry(borg_id, entry.path) == entry
        for sort in Sort:
            check_order(index, borg_id, folder, sort)


def check_entry(entry, model: Model) -> None:
    item = model.items[entry.path]
    is_folder = entry.path in model.folders
    assert (entry.kind is Kind.FOLDER) == is_folder
    assert entry.files == (model.files(entry.path) if is_folder else None)
    assert entry.size == (None if entry.kind is Kind.HARD_LINK else model.size(entry.path))
    assert (entry.mode is None) == (entry.mtime is None) == (item is None)
    assert entry.is_odd == ("\udce9" in entry.path)
    if item is not None:
        assert entry.mtime.timestamp() * 1_000_000 == pytest.approx(item.mtime)
        assert (entry.link_target or "") == item.source
        assert entry.is_broken == item.is_broken


def check_order(index: ArchiveIndex, borg_id: str, folder: str, sort: Sort) -> None:
    """Each direction is sorted, folders first, and its pages join to the whole."""
    for is_descending in (False, True):
        kwargs = {"sort": sort, "is_descending": is_descending}
        whole = index.folder(borg_id, folder, limit=1000, **kwargs)
        pages = []
        for offset in range(0, whole.total, 3):
            pages += index.folder(borg_id, folder, offset=offset, limit=3, **kwargs).entries
        assert pages == whole.entries
        parts = (whole.entries[: whole.folders], whole.entries[whole.folders :])
        assert all(
            (entry.files is not None) == (part is parts[0]) for part in parts for entry in part
        )
        for one, two in (pair for part in parts for pair in pairwise(part)):
            first, second = (_sort_key(entry, sort) for entry in (one, two))
            assert first >= second if is_descending else first <= second


def _sort_key(entry, sort: Sort):
    if sort is Sort.SIZE:
        return entry.size or 0
    if sort is Sort.MTIME:
        return entry.mtime.timestamp() if entry.mtime else -1
    return schema.fold(entry.name)


@given(LISTINGS, st.integers(1, 400))
@settings(max_examples=50, deadline=None)
@pytest.mark.usefixtures("limits")
def test_any_listing(lines: list[Line], piece: int) -> None:
    with place() as path:
        write(path, "one", lines, piece)
        with ArchiveIndex(path) as index:
            check_folders(index, "one", Model(lines))


@given(LISTINGS, LISTINGS)
@settings(max_examples=30, deadline=None)
@pytest.mark.usefixtures("limits")
def test_versions_and_search(one: list[Line], two: list[Line]) -> None:
    with place() as path:
        write(path, "one", one)
        write(path, "two", one + two)
        models = {"one": Model(one), "two": Model(one + two)}
        with ArchiveIndex(path) as index:
            for text in (
                "a",
                "B",
                "straSSE",
                "é",
                "[ab]*",
                "?",
                "e\u0301",
                "\udce9",
                "a/b",
                "n\nl",
            ):
                check_search(index, models, text)
            for item_path in models["two"].items:
                check_versions(index, models, item_path)


def check_versions(index: ArchiveIndex, models: dict[str, Model], path: str) -> None:
    having = [borg_id for borg_id, model in models.items() if path in model.items]
    versions = index.versions(path, ["one", "missing", "two"])
    assert min(version.first for version in versions) == having[0]
    assert versions[-1].last == having[-1]
    assert sum(version.archives for version in versions) == len(having)
    if len(having) == 2 and path not in models["two"].folders:
        is_same = models["one"].items[path] == models["two"].items[path]
        assert len(versions) == (1 if is_same else 2)


def check_search(index: ArchiveIndex, models: dict[str, Model], text: str) -> None:
    folder, _, wanted = schema.fold(text).rpartition("/")
    expected = set()
    for model in models.values():
        for path in model.items:
            above, _, name = path.rpartition("/")
            folded = schema.fold(name)
            fits = {"[ab]*": folded[:1] in ("a", "b"), "?": len(folded) == 1}.get(
                text, wanted in folded
            )
            if fits and folder in schema.fold(above):
                expected.add(path)
    found = search(index, Query(text))
    assert {hit.path for hit in found.hits} == expected
    assert found.is_complete
    assert all(hit.versions for hit in found.hits)


@given(LISTINGS, LISTINGS, st.booleans())
@settings(max_examples=30, deadline=None)
@pytest.mark.usefixtures("limits")
def test_comparison(one: list[Line], two: list[Line], is_longer: bool) -> None:
    after = one + two if is_longer else two
    with place() as path:
        write(path, "one", one)
        write(path, "two", after)
        before_model, after_model = Model(one), Model(after)
        with ArchiveIndex(path) as index:
            flat = changes(index, "one", "two", limit=1000)
            found = {(change.status, change.path) for change in flat.changes}
            assert found == expected_changes(before_model, after_model)
            whole = compare(index, "one", "two", limit=1000)
            assert whole.counts == flat.counts
            assert not flat.has_more
            assert compare(index, "one", "one").changes == []


def expected_changes(one: Model, two: Model) -> set[tuple[Status, str]]:
    found = set()
    for path in one.items.keys() | two.items.keys():
        here, there = path in one.items, path in two.items
        folders = (path in one.folders, path in two.folders)
        above = path.rpartition("/")[0]
        if not (above in one.folders and above in two.folders):
            continue  # said of a folder above
        if here and (not there or folders[0] != folders[1]):
            found.add((Status.REMOVED, path))
        if there and (not here or folders[0] != folders[1]):
            found.add((Status.ADDED, path))
        if here and there and folders == (False, False) and one.items[path] != two.items[path]:
            found.add((Status.MODIFIED, path))
        if here and there and folders == (True, True):
            listed = (one.items[path] is None, two.items[path] is None)
            if listed[0] != listed[1]:
                found.add((Status.MODIFIED, path))
    return found


@given(st.lists(LISTINGS, min_size=2, max_size=4), st.data())
@settings(max_examples=25, deadline=None)
@pytest.mark.usefixtures("limits")
def test_dropping(listings: list[list[Line]], data: st.DataObject) -> None:
    """After any drops the rest is whole, and the last drop leaves nothing."""
    with place() as path:
        models = {}
        for number, lines in enumerate(listings):
            write(path, str(number), lines)
            models[str(number)] = Model(lines)
        for borg_id in data.draw(st.permutations(list(models))):
            assert drop(path, borg_id)
            assert not drop(path, borg_id)
            del models[borg_id]
            with ArchiveIndex(path) as index:
                assert {archive.borg_id for archive in index.archives()} == set(models)
                for other, model in models.items():
                    check_folders(index, other, model)
                for text in ("a", "straSSE"):
                    check_search(index, models, text)
        with ArchiveIndex(path) as index:
            for table in ("nodes", "entries", "blocks", "orders"):
                count = index.connection.execute(f"select count(*) from {table}").fetchone()
                assert count == (0,), table
            with pytest.raises(LookupError):
                index.folder("0")


def test_missing_paths(tmp_path: Path) -> None:
    write(tmp_path / "1.db", "one", [("a/b", attributes())])
    with ArchiveIndex(tmp_path / "1.db") as index:
        for path in ("b", "a/c", "a/b/c", "..", "a/../a", "x\0", "a" * 5000):
            with pytest.raises(PathMissing):
                index.entry("one", path)
        with pytest.raises(PathMissing):
            index.folder("one", "a/b")
        assert index.entry("one", "/a//b").path == "a/b"
