"""What the pages of archives share: their addresses, and how paths stand in them.

A path that is plain text stands in an address as ``path``, any other as ``path_b64``. In forms it
is always ``path_b64``: the base64 of its bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from flask import Blueprint, request, url_for
from pydantic import Field
from werkzeug.datastructures import MultiDict

from borgui import contents
from borgui.index import Entry, Kind
from borgui.models import Archive, Session
from borgui.validation import Input, PathB64, checked, to_b64
from borgui.web.filters import is_odd

archives = Blueprint("archives", __name__)

LARGEST_PAGE = 10**7


class _Place(Input):
    path: Annotated[str, Field(max_length=contents.LONGEST_PATH)] = ""
    path_b64: PathB64 | None = None


class _Selection(Input):
    path_b64: list[PathB64]


def load(archive_id: int) -> Archive:
    """The archive, or 404."""
    return contents.load_archive(Session(), archive_id)


def place(values: "MultiDict[str, str]") -> str:
    """The path that an address or form names; empty is the archive's root. Raises Invalid."""
    given = {name: values[name] for name in ("path", "path_b64") if values.get(name)}
    asked = checked(_Place, given)
    return contents.check_path(asked.path_b64 or asked.path)


def selection(values: "MultiDict[str, str]") -> list[str]:
    """The paths that were ticked or kept, each once. Raises Invalid."""
    given = checked(_Selection, {"path_b64": [each for each in values.getlist("path_b64") if each]})
    paths = [contents.check_path(each, "path_b64") for each in given.path_b64]
    return [each for each in dict.fromkeys(paths) if each]


def where(path: str) -> dict[str, Any]:
    """How an address names ``path``: arguments for ``url_for``."""
    if not path:
        return {}
    return {"path_b64": to_b64(path)} if is_odd(path) else {"path": path}


def at(endpoint: str, path: str, *more: Mapping[str, Any], **arguments: Any) -> str:
    """The address of ``path`` on a page; ``more`` and ``arguments`` are the page's own."""
    for each in more:
        arguments.update(each)
    return url_for(endpoint, **arguments, **where(path))


def page_number() -> int:
    """The page asked for, from 1."""
    return min(max(request.args.get("page", 1, type=int), 1), LARGEST_PAGE)


@dataclass(frozen=True, slots=True)
class Crumb:
    """A folder above, and itself; ``path`` is empty for the root."""

    name: str
    path: str


def crumbs(path: str) -> list[Crumb]:
    """The way down to ``path``, without the root."""
    parts = [part for part in path.split("/") if part]
    return [Crumb(part, "/".join(parts[: end + 1])) for end, part in enumerate(parts)]


KINDS: dict[Kind, tuple[str, str]] = {
    Kind.FILE: ("file", "file"),
    Kind.FOLDER: ("folder", "folder"),
    Kind.SYMLINK: ("link", "link"),
    Kind.HARD_LINK: ("link", "hard link"),
    Kind.FIFO: ("plug", "named pipe"),
    Kind.BLOCK_DEVICE: ("plug", "block device"),
    Kind.CHARACTER_DEVICE: ("plug", "character device"),
    Kind.SOCKET: ("plug", "socket"),
    Kind.OTHER: ("help-circle", "something else"),
}
"""An icon and a word for what an entry is."""


def picture(entry: Entry) -> str:
    """Its icon."""
    return KINDS[entry.kind][0]


def word(entry: Entry) -> str:
    """What it is, in a word or two."""
    return KINDS[entry.kind][1]


@archives.app_context_processor
def _names() -> dict[str, Any]:
    return {"at": at, "b64": to_b64, "picture": picture, "kind_word": word}
