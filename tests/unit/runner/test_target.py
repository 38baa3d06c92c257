"""A destination is looked at before borg runs."""

from pathlib import Path

import pytest

from borgui.runner import target


class StopError(Exception):
    """The job is to end."""


def test_looking_for_links_can_be_ended(tmp_path: Path) -> None:
    """A destination may hold millions of folders."""
    for number in range(5):
        (tmp_path / str(number)).mkdir()
    looked = 0

    def tick() -> None:
        nonlocal looked
        looked += 1
        if looked == 3:
            raise StopError

    here = str(tmp_path)
    with pytest.raises(StopError):
        target.refuse_links_out(here, [here], [here], tick)
    target.refuse_links_out(here, [here], ["/"], tick)
    assert looked == 3
    looked = 10
    target.refuse_links_out(here, [here], [here], tick)
    assert looked == 16
