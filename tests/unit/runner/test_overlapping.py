"""What may not be extracted beside an archive's links is found, in whatever order it comes."""

import re
from itertools import permutations

import pytest

from borgui.borg.listing import Owner, Place, parse_owner, parse_place
from borgui.runner.failure import FailedError
from borgui.runner.overlapping import AT, BELOW, SOURCE, UPWARD, LeftOut, Links


def folder(path: str) -> Place:
    return Place("d", "", path)


def file(path: str) -> Place:
    return Place("-", "", path)


def link(path: str) -> Place:
    return Place("l", "", path)


def further(path: str, first: str) -> Place:
    return Place("h", first, path)


def faults(*places: Place, strip: int = 0) -> dict[str, str]:
    """The same in every order."""
    results = []
    for order in permutations(places):
        links = Links(strip)
        for place in order:
            links.add(place)
        found = {each.path: fault for each in places if (fault := links.fault(each))}
        assert links.is_clean == (not found)
        results.append(found)
    assert all(each == results[0] for each in results)
    return results[0]


def excluded(*places: Place, strip: int = 0) -> set[str]:
    """What borg leaves out by our patterns."""
    links = Links(strip)
    for place in places:
        links.add(place)
    left_out = LeftOut(links)
    for place in places:
        if fault := links.fault(place):
            left_out.add(place, fault)
    patterns = [re.compile(each.removeprefix("re:")) for each in left_out.patterns]
    return {each.path for each in places if any(one.search(each.path) for one in patterns)}


@pytest.mark.parametrize(
    ("places", "strip"),
    [
        ([folder("a"), link("a/b"), file("a/c"), file("b/a/b")], 0),
        ([link("a"), link("a"), file("a b"), file("ab/c")], 0),
        ([link("x/a"), file("y/a"), folder("y/a/b")], 0),
        ([link("a/b"), file("b")], 2),
        ([link("a"), file("a\udcff/x"), further("b", "c")], 0),
        ([folder("."), folder("./a"), link("./a/b")], 0),
        ([], 0),
    ],
)
def test_nothing_to_leave_out(places: list[Place], strip: int) -> None:
    assert faults(*places, strip=strip) == {}


def test_below_a_link() -> None:
    places = link("s/l"), folder("s/l/d"), file("s/l/d/f"), file("s/lf")
    assert faults(*places) == {"s/l/d": BELOW, "s/l/d/f": BELOW}
    assert excluded(*places) == {"s/l/d", "s/l/d/f"}


@pytest.mark.parametrize("name", ["l (1)+", "l\udcff", "l\n\t'\"\\", "{l}", "é[x]"])
def test_odd_names(name: str) -> None:
    places = link(f"s/{name}"), file(f"s/{name}/f"), file("s/l/f")
    assert excluded(*places) == {f"s/{name}/f"}


def test_in_the_same_place() -> None:
    places = link("a/x"), folder("b/x"), file("b/x/y"), link("c/x")
    assert faults(*places, strip=1) == {"b/x": AT, "b/x/y": BELOW}
    assert excluded(*places, strip=1) == {"b/x", "b/x/y"}
    assert excluded(link("p"), file("p")) == {"p"}


def test_paths_with_parts_that_mean_nothing() -> None:
    places = link("./a//b"), file("a/./b/c"), file("././a/b//d"), file("a/b"), file("./a/c")
    assert faults(*places) == {"a/./b/c": BELOW, "././a/b//d": BELOW, "a/b": AT}
    assert excluded(*places) == {"a/./b/c", "././a/b//d", "a/b"}


def test_paths_that_lead_out() -> None:
    places = file("a/../../x"), file("..a/b.."), further("y", "a/../../z")
    assert faults(*places) == {"a/../../x": UPWARD, "y": UPWARD}
    assert excluded(*places) == {"a/../../x", "y"}


def test_a_further_name_of_what_lies_below_a_link() -> None:
    places = link("l\udcff"), further("y", "l?/z"), further("x", "m/z")
    assert faults(*places) == {"y": SOURCE}
    assert excluded(*places) == {"y"}


def test_a_selected_path_that_is_left_out() -> None:
    """It may be as borg shows it."""
    links = Links()
    places = link("l\udcff"), file("l\udcff/f"), file("l?")
    for place in places:
        links.add(place)
    left_out = LeftOut(links)
    assert not left_out.holds("l?/f")
    left_out.add(places[1], BELOW)
    assert [left_out.holds(each) for each in ("l?/f", "l\udcff/f", "l?", "f")] == [
        True,
        True,
        False,
        False,
    ]


def test_more_than_borg_can_be_told() -> None:
    links = Links()
    places = [
        each for n in range(3000) for each in (link(f"{n}/{'x' * 50}"), file(f"{n}/{'x' * 50}/f"))
    ]
    for place in places:
        links.add(place)
    left_out = LeftOut(links)
    with pytest.raises(FailedError, match="borg"):
        add_all(left_out, places[1::2])
    assert len(left_out.named) == 500


def add_all(left_out: LeftOut, places: list[Place]) -> None:
    for place in places:
        left_out.add(place, BELOW)


def test_a_line_of_the_listing() -> None:
    owner = "0\t1234\t'root'\t1234"
    assert parse_place(f"-hrwsr--r--\t0123abcd\t5\t'a/b'\t'c'\t{owner}") == Place(
        "h", "a/b", "c", 5, "rwsr--r--", owner, "0123abcd"
    )
    assert parse_owner(owner) == Owner(0, 1234, "root", "")
    link = parse_place(f"lrwxrwxrwx\t0123abcd\t0\t'a/b'\t\"c'\\udcff\"\t{owner}")
    assert link[:3] == ("l", "", "c'\udcff")
