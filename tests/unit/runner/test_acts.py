"""Every act is where the table says it is."""

import inspect

import pytest

from borgui.runner.acts import ACTS, act_of


@pytest.mark.parametrize("name", ACTS)
def test_each_is_there(name: str) -> None:
    act = act_of(name)
    assert act is not None
    assert list(inspect.signature(act).parameters) == ["work", "step"]


def test_other_steps_are_one_run() -> None:
    assert act_of("list") is None
