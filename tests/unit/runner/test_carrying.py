"""An index is kept only for the very archive it was made of."""

from pathlib import Path
from typing import Any

import pytest

from borgui.index import ArchiveIndex
from borgui.runner.carrying import keep_index
from tests.unit.index.listings import attributes, write

LISTED = {"name": "new", "id": "two", "start": "2026-11-23T18:29:08.492837"}
GIVEN = {"borg_id": "one", "name": "new", "start": "2026-11-23T18:29:08.492837+00:00"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The index of one archive."""
    path = tmp_path / "7.db"
    write(path, "one", [("a", attributes())])
    return path


def known(path: Path) -> set[str]:
    with ArchiveIndex(path) as index:
        return set(index.roots())


def test_it_is_kept(path: Path) -> None:
    said = keep_index(path, GIVEN, {"archives": [{"name": "other", "id": "x"}, LISTED]})
    assert said == "The index of the archive is kept."
    assert known(path) == {"one", "two"}


@pytest.mark.parametrize(
    "listed",
    [
        None,
        [],
        [{**LISTED, "name": "old"}],
        [{**LISTED, "start": "2026-11-23T18:29:08.492838"}],
        [{**LISTED, "start": "soon"}],
        [{"name": "new", "id": "two"}],
    ],
)
def test_what_is_not_certain_is_not_kept(path: Path, listed: Any) -> None:
    assert "not kept" in keep_index(path, GIVEN, {"archives": listed})
    assert known(path) == {"one"}


def test_what_was_not_indexed(path: Path) -> None:
    said = keep_index(path, {**GIVEN, "borg_id": "unknown"}, {"archives": [LISTED]})
    assert said == "The archive has no index."
    assert known(path) == {"one"}


def test_an_index_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    path = tmp_path / "7.db"
    path.mkdir()
    assert "could not be kept" in keep_index(path, GIVEN, {"archives": [LISTED]})
