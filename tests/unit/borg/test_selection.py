import re

import pytest

from borgui.borg import commands
from borgui.borg.patterns import Decision, Matcher
from borgui.borg.selection import (
    Selected,
    arguments,
    common_folder,
    keep_out,
    keep_to,
    never_matched,
    problem,
    stripped,
)


@pytest.mark.parametrize("path", ["", "/", "/etc", "..", "a/../b", "a//b", "./a", "a/.", "a/.."])
def test_paths_that_borg_never_stores(path: str) -> None:
    assert problem(path)


@pytest.mark.parametrize("path", ["a", "a/b/", " ", "...", "a\nb", "re:x", "-x", "a\udcff"])
def test_paths_that_it_may_store(path: str) -> None:
    assert problem(path) is None


def test_a_path_is_literal_whatever_it_holds() -> None:
    for path in ("*", "[x]", "re:.*", "a?b", "a\udcffb"):
        assert Selected(path).argument == f"pp:{path}"
    assert Selected("*", shown=True).argument == "pp:*"


def test_a_shown_question_mark_is_itself_or_a_byte() -> None:
    chosen = Selected("d.r/a?b", shown=True)
    assert chosen.style == "re"
    found = re.compile(chosen.pattern)
    for path in ("d.r/a?b", "d.r/a\udcffb", "d.r/a?b/below"):
        assert found.search(path), path
    for path in ("d.r/aXb", "dxr/a?b", "x/d.r/a?b", "d.r/a?bc", "d.r/a/b"):
        assert not found.search(path), path


def test_the_deepest_come_first_and_once() -> None:
    chosen = [Selected("a"), Selected("a/b/c"), Selected("b"), Selected("a")]
    assert arguments(chosen) == ("pp:a/b/c", "pp:a", "pp:b")


def test_never_matched() -> None:
    chosen = [Selected("a"), Selected("a/b"), Selected("c"), Selected("d?", shown=True)]
    said = [
        "Include pattern 'a' never matched.",  # has no entry of its own, but something below
        "Include pattern 'c' never matched.",
        f"Include pattern '{chosen[3].pattern}' never matched.",
        "c: open: [Errno 13] Permission denied",
    ]
    assert never_matched(chosen, said) == chosen[2:]
    odd = Selected("caf\udce9")
    assert never_matched([odd], ["Include pattern 'caf?' never matched."]) == [odd]


def test_leading_parts() -> None:
    assert [stripped("a/b/c", count) for count in range(4)] == ["a/b/c", "b/c", "c", ""]
    assert common_folder([Selected("a/b/c"), Selected("a/b/d/e")], 0) == "a/b"
    assert common_folder([Selected("a/b/c"), Selected("a/b/d/e")], 1) == "b"
    assert common_folder([Selected("a/b/c"), Selected("a")], 0) == ""
    assert common_folder([], 0) == ""


@pytest.mark.parametrize(("strip", "lead"), [(0, ""), (2, "x/y/")])
def test_what_is_kept_out(strip: int, lead: str) -> None:
    rule = keep_out("srv/d.ta\udcff", strip)
    assert rule.isascii()
    matcher = Matcher.from_argv(commands.excluding(["extract", "--", "::a"], [rule]))
    for path in ("srv/d.ta\udcff", "srv/d.ta\udcff/borgui.db"):
        assert matcher.decide(lead + path) is Decision.EXCLUDE
    for path in ("srv/data\udcff", "srv/d.ta\udcffx", "srv", f"other/{'srv/d.ta'}"):
        assert matcher.decide(lead + path) is Decision.INCLUDE
    others = keep_to("srv/d.ta\udcff", strip)
    matcher = Matcher.from_argv(commands.excluding(["extract", "--", "::a"], [others]))
    for path in ("srv/d.ta\udcff", "srv/d.ta\udcff/borgui.db"):
        assert matcher.decide(lead + path) is Decision.INCLUDE
    for path in ("srv/data\udcff", "srv/d.ta\udcffx", "srv", f"other/{'srv/d.ta'}"):
        assert matcher.decide(lead + path) is Decision.EXCLUDE


def test_extract() -> None:
    argv = commands.extract("{x}", ("pp:-a",), strip_components=2)
    assert argv[-3:] == ["--", "::{{x}}", "pp:-a"]
    assert {"--sparse", "--list", "--progress", "--log-json", "--strip-components=2"} < set(argv)
    assert "--strip-components=0" not in commands.extract("a")
    excluded = commands.excluding(argv, ["-x"])
    assert excluded[excluded.index("--") - 1] == "--exclude=-x"
