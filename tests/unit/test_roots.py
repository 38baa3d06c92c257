"""Roots as text, and where a selection comes to lie."""

import pytest

from borgui import roots
from borgui.borg.selection import Selected, places


@pytest.mark.parametrize(
    ("path", "folders", "inside"),
    [
        ("/home", ["/home"], True),
        ("/home/anna", ["/srv", "/home"], True),
        ("/home2", ["/home"], False),
        ("/", ["/home"], False),
        ("/anything", ["/"], True),
        ("/", ["/"], True),
        ("/home/\udcff", ["/home"], True),
    ],
)
def test_inside(path: str, folders: list[str], inside: bool) -> None:
    assert roots.is_inside(path, folders) is inside


def test_leads_to() -> None:
    assert roots.leads_to("/", ["/home/anna"])
    assert roots.leads_to("/home", ["/srv", "/home/anna"])
    assert not roots.leads_to("/home/annabel", ["/home/anna"])
    assert not roots.leads_to("/hom", ["/home/anna"])


def test_canonical() -> None:
    assert roots.canonical("//home/./anna/../bob/") == "/home/bob"
    assert roots.canonical("home") == "home"


def test_where_a_selection_comes_to_lie() -> None:
    chosen = [Selected("home/anna/a"), Selected("home/bob")]
    assert places("/", chosen, 0) == ["/home/anna/a", "/home/bob"]
    assert places("/out", chosen, 1) == ["/out/anna/a", "/out/bob"]
    assert places("/out", chosen, 2) == ["/out/a", "/out"]
    assert places("/out", [], 0) == ["/out"]


def test_a_name_that_means_several_counts_as_its_folder() -> None:
    """Else ``srv/a?``, which also means ``srv/a\\xff``, would be taken for the root ``/srv/a?``."""
    assert places("/", [Selected("srv/a?", shown=True)], 0) == ["/srv"]
    assert places("/", [Selected("?/x", shown=True)], 0) == ["/"]
    assert places("/", [Selected("srv/a?")], 0) == ["/srv/a?"]


def test_a_message_names_a_few() -> None:
    assert roots.named(["/a", "/b"]) == "what an admin has left open: /a, /b"
    assert roots.named([f"/{n}" for n in range(7)]).endswith("/4 and 2 more")
