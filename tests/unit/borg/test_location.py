import pytest

from borgui.borg.location import Location, LocationError, parse_location


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/srv/repo", "/srv/repo"),
        ("//srv//a/../repo/", "/srv/repo"),
        ("/a:b", "/a:b"),
        ("/a\nb é", "/a\nb é"),
    ],
)
def test_local(text: str, path: str) -> None:
    location = parse_location(text)
    assert (location, str(location), location.is_local) == (Location(path), path, True)


@pytest.mark.parametrize(
    "text",
    ["ssh://u@host:22/srv/r", "ssh://host/./r", "ssh://[::1]:22/r", "ssh://h/~/r"],
)
def test_ssh(text: str) -> None:
    if "::" in text:
        with pytest.raises(LocationError):
            parse_location(text)
        return
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
        "/a::b",
        "/a:",
        "/{now}",
        "/a\x00",
        "/a ",
        "/a\n",
        "/a\udce9",
        "ssh://-oProxyCommand=x/r",
        "ssh://-u@host/r",
        "ssh://host:0/r",
        "ssh://host",
        "user@host:/r",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(LocationError):
        parse_location(text)
