"""Sizes and counts as a person reads them."""

import pytest

from borgui.borg.display import command_line, counted, size_text


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


def test_a_command_says_where_its_link_leads() -> None:
    said = command_line("borg", ["list"], {"BORG_REPO": "/l/1"}, leads_to="/srv/caf\udce9\n")
    assert said == r"BORG_REPO=/l/1 borg list  # a link to $'/srv/caf\xe9\x0a'"
