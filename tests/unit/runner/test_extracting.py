"""What is counted of an extraction, from the entries that borg names and the files there are."""

import os
from pathlib import Path

import pytest

from borgui.borg.events import LogMessage
from borgui.runner.extracting import LISTED, Extracting


@pytest.mark.parametrize("linked_at", [0, 1, 2])
def test_a_file_with_two_names_counts_once(tmp_path: Path, linked_at: int) -> None:
    """Whether borg has made the second name when the first is looked at is left to chance."""
    reader = Extracting(str(tmp_path), "/there", strip_components=0, discard=False, tell=None)

    def link(moment: int) -> None:
        if moment == linked_at:
            os.link(tmp_path / "a", tmp_path / "b")

    def name(path: str) -> None:
        assert reader.event(LogMessage("INFO", LISTED, path, None))

    for path in ("a", "c", "d"):
        (tmp_path / path).write_text(path)
    name("a")
    link(0)
    name("c")
    link(1)
    name("d")
    link(2)
    name("b")
    reader.finish()
    assert reader.nfiles == 3


def test_what_could_not_be_replaced_does_not_count(tmp_path: Path) -> None:
    """What was there before still is."""
    reader = Extracting(str(tmp_path), "/there", strip_components=1, discard=False, tell=None)
    for path in ("a", "b"):
        (tmp_path / path).write_text(path)
        assert reader.event(LogMessage("INFO", LISTED, path, None))
        if path == "a":
            said = "x/a: open: [Errno 13] Permission denied: 'a'"
            reader.event(LogMessage("WARNING", "borg.archiver", said, None))
    reader.finish()
    assert (reader.nfiles, reader.entries) == (1, 2)
