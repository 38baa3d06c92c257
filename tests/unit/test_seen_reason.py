"""What who may not see file names is told of a failure."""

import pytest

from borgui.jobs.view import seen_reason

HIDDEN = "The reason names files: an operator can see it."


@pytest.mark.parametrize(
    ("message", "seen"),
    [
        (None, None),
        ("The disk is full.", "The disk is full."),
        ("The disk is full. borg says: secret.txt: [Errno 28]", "The disk is full."),
        ("borgui itself failed. In detail: KeyError('secret.txt')", "borgui itself failed."),
        ("It failed. In detail: x borg says: y", "It failed."),
        ("borg says: secret.txt", HIDDEN),
        ("In detail: secret.txt", HIDDEN),
        ("The folder /home/secret is gone.", HIDDEN),
    ],
)
def test_a_viewer(message: str | None, seen: str | None) -> None:
    assert seen_reason(message, browse=False) == seen
    assert seen_reason(message, browse=True) == message
