"""Where a repository is: a local folder, or a path on an ssh server."""

import posixpath
import re
from dataclasses import dataclass
from typing import Final

from borgui.borg.undecodable import is_utf8

_SSH: Final = re.compile(
    r"ssh://(?:(?P<user>[^@:/\s\ud800-\udfff]+)@)?"
    r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/.+)",
    re.DOTALL,
)


class LocationError(ValueError):
    """Not a path borg can keep a repository at; the message says why."""


@dataclass(frozen=True, slots=True)
class Location:
    """``path`` is absolute; ``host`` is None for a local folder."""

    path: str
    host: str | None = None
    user: str | None = None
    port: int | None = None

    @property
    def is_local(self) -> bool:
        """Whether the repository is a folder of the machine that runs borg."""
        return self.host is None

    def __str__(self) -> str:
        """Return it as one text: the value of ``BORG_REPO``, but see :func:`can_be_given`."""
        if self.host is None:
            return self.path
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"ssh://{user}{self.host}{port}{self.path}"


def parse_location(text: str) -> Location:
    """Read a typed location; raises :class:`LocationError`.

    A local path is made canonical as text (``//`` and ``..`` resolved); the file system is not
    asked.
    """
    if "\x00" in text:
        raise LocationError("A path cannot hold a NUL.")
    if "{" in text or "}" in text:
        raise LocationError("A repository's path may not hold braces: borg reads placeholders.")
    if text.startswith("ssh://"):
        return _parse_ssh(text)
    if not text.startswith("/"):
        raise LocationError("The path must be absolute, or begin with ssh://.")
    path = posixpath.normpath("/" + text.lstrip("/"))
    if path == "/":
        raise LocationError("The root folder cannot be a repository.")
    return Location(path)


def can_be_given(path: str) -> bool:
    """Whether borg can be told where a repository is by this path; one on this machine that it
    cannot be told is reached by a link (:mod:`borgui.runner.linking`).

    What borg 1.2.4 breaks on (measured): bytes that are not UTF-8, which it cannot write into its
    security folder; a blank at the end, which it strips there and then takes the repository for a
    moved one; ``::``, or ``:`` at the end, where the path ends for it.
    """
    return is_utf8(path) and path == path.rstrip() and "::" not in path and not path.endswith(":")


def _parse_ssh(text: str) -> Location:
    match = _SSH.fullmatch(text)
    if match is None:
        raise LocationError("Write an ssh location as ssh://user@host:port/path.")
    host, user, port = match["host"], match["user"], match["port"]
    # A name that begins with a dash would be an option of ssh.
    if host.startswith("-") or (user or "").startswith("-"):
        raise LocationError("A host or user name may not begin with '-'.")
    if port is not None and not 1 <= int(port) <= 65535:
        raise LocationError("The port goes from 1 to 65535.")
    if not can_be_given(match["path"].rstrip("/")):
        raise LocationError(
            "On a server borg cannot keep a repository at a path that is not UTF-8, ends in a "
            "blank or ':', or holds '::'. Make a symbolic link to its folder there, and give the "
            "link's path."
        )
    return Location(match["path"], host, user, int(port) if port else None)
