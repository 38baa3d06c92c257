"""A destination is looked at before borg runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from borgui.config import ROOT
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


def test_a_right_is_as_good_as_being_root(tmp_path: Path) -> None:
    """A worker that is another user, but may write everywhere (CAP_DAC_OVERRIDE)."""
    tmp_path.chmod(0o700)
    right = "-all,+dac_override"
    code = "import sys; from borgui.runner import target; target.check(sys.argv[1])"
    subprocess.run(
        [
            *("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"),
            *(f"--inh-caps={right}", f"--ambient-caps={right}"),
            *(sys.executable, "-c", code, str(tmp_path)),
        ],
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )
