"""What a dry run foretells of hard links: a file counts once, with whichever name is written."""

import json
from pathlib import Path

import pytest

from borgui.borg.selection import Selected
from borgui.runner.previewing import Previewing

ENTRIES = (
    {"type": "d", "mode": "drwxr-xr-x", "path": "srv", "size": 0},
    {"type": "-", "mode": "-rw-r--r--", "path": "srv/a", "size": 7},
    {"type": "-", "mode": "hrw-r--r--", "path": "srv/b", "size": 0, "source": "srv/a"},
    {"type": "-", "mode": "hrw-r--r--", "path": "srv/c", "size": 0, "source": "srv/a"},
)


def foretold(
    there: Path, *selected: str, strip: int = 0, overwrite: bool = False
) -> tuple[int, int, int]:
    """Files and bytes that would be written, and entries left, with what ``selected`` matches."""
    chosen = tuple(Selected(each) for each in selected)
    reader = Previewing(str(there), chosen, strip, overwrite)
    for entry in ENTRIES:
        if not selected or entry["path"] in selected:
            assert reader.line(json.dumps(entry).encode())
    return reader.nfiles, reader.size, reader.left_count


@pytest.fixture
def first_in_the_way(tmp_path: Path) -> Path:
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv" / "a").write_text("mine")
    return tmp_path


def test_all_names_are_free(tmp_path: Path) -> None:
    assert foretold(tmp_path) == (1, 7, 0)


def test_the_first_name_is_in_the_way(first_in_the_way: Path) -> None:
    assert foretold(first_in_the_way) == (1, 7, 1)
    assert foretold(first_in_the_way, overwrite=True) == (1, 7, 0)


def test_a_further_name_alone(tmp_path: Path) -> None:
    assert foretold(tmp_path, "srv/b", "srv/c")[0] == 1


def test_the_first_name_is_stripped_away(tmp_path: Path) -> None:
    assert foretold(tmp_path, strip=2) == (0, 0, 0)
