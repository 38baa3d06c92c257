import pytest

from borgui.borg.location import Location, LocationError, can_be_given, parse_location


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/srv/repo", "/srv/repo"),
        ("//srv//a/../repo/", "/srv/repo"),
        ("/a:b", "/a:b"),
        ("/a\nb é", "/a\nb é"),
        ("/a\udce9/b", "/a\udce9/b"),
        ("/a ", "/a "),
        ("/a\n", "/a\n"),
        ("/a::b:", "/a::b:"),
    ],
)
def test_local(text: str, path: str) -> None:
    location = parse_location(text)
    assert (location, str(location), location.is_local) == (Location(path), path, True)


@pytest.mark.parametrize(
    "text",
    [
        "ssh://u@host:22/srv/r",
        "ssh://host/./r",
        "ssh://h/~/r",
        "ssh://me@[fe80::1]:22/path",
        "ssh://[::1]/srv/repo",
    ],
)
def test_ssh(text: str) -> None:
    location = parse_location(text)
    assert str(location) == text
    assert not location.is_local


@pytest.mark.parametrize(
    "text",
    [
        "",
        "repo",
        "/",
        "//",
        "/{now}",
        "/a\x00",
        "ssh://-oProxyCommand=x/r",
        "ssh://-u@host/r",
        "ssh://host:0/r",
        "ssh://host",
        "user@host:/r",
        "ssh://[::1]:22/a::b",
        "ssh://host/a\udce9",
        "ssh://me\udce9@host/a",
        "ssh://host/a ",
        "ssh://host/a /",
        "ssh://host/a::b",
        "ssh://host/a:",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(LocationError):
        parse_location(text)


@pytest.mark.parametrize("path", ["/a\udce9/b", "/a ", "/a\n", "/a\u2003", "/a::b", "/a:"])
def test_borg_is_given_a_link(path: str) -> None:
    assert not can_be_given(path)


@pytest.mark.parametrize("path", ["/srv/repo", "/a:b", "/ a/é", "/a\nb"])
def test_borg_is_given_the_path_itself(path: str) -> None:
    assert can_be_given(path)
