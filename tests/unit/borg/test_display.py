"""Sizes and counts as a person reads them."""

import pytest

from borgui.borg.display import counted, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1234, "1.23 kB"),
        (999_994, "999.99 kB"),
        (999_995, "1.00 MB"),
        (10**15, "1.00 PB"),
        (10**22, "10000.00 EB"),
    ],
)
def test_sizes_are_rounded_as_borg_does(size: int, text: str) -> None:
    assert size_text(size) == text


def test_one_and_many() -> None:
    assert [counted(number, "file") for number in (0, 1, 8123)] == [
        "0 files",
        "1 file",
        "8,123 files",
    ]
