"""The folder picker: a dialog whose listing the machine's quick worker makes."""

import base64
import os
from collections.abc import Sequence

from flask import Blueprint, Response, request

from borgui.extensions import clients, own_config
from borgui.folders import Purpose, is_shown, list_folder, roots_of
from borgui.models import Session
from borgui.roots import is_inside
from borgui.security.access import can
from borgui.security.permissions import Permission
from borgui.validation import Input, PathB64, checked, to_b64
from borgui.web.filters import is_odd
from borgui.web.forms import split_lines
from borgui.web.layout import page

folders = Blueprint("folders", __name__)

FIELDS: dict[str, Purpose] = {
    "path": "repository",
    "source_directories": "source",
    "destination": "destination",
}
"""The fields it fills, and what a folder is there."""


class Where(Input):
    """The folder to list."""

    path_b64: PathB64


@folders.get("/folders")
def pick() -> Response:
    """The picker as a partial; ``into`` is the field it fills, ``path_b64`` or ``path`` where."""
    into = request.args.get("into", "")
    into = into if into in FIELDS and can(Permission.MANAGE) else "destination"
    roots = roots_of(Session(), FIELDS[into])
    start = _start(roots)
    given = request.args.get("path_b64") or (to_b64(start) if start else None)
    path = checked(Where, {"path_b64": given}).path_b64 if given else None
    found = list_folder(clients().queue, clients().patient, own_config().machine, path, roots=roots)
    shown = os.fsdecode(base64.b64decode(found["path_b64"]))
    return page(
        "folders/_picker.html",
        folder=found,
        # a field without lines is sent without the blanks around what was typed
        is_odd=is_odd(shown) or shown != shown.strip(),
        is_open=is_inside(shown, roots),
        into=into,
    )


def _start(roots: Sequence[str]) -> str | None:
    """Where to begin: the last folder already typed that may be shown; None where there is none."""
    typed = [each for each in split_lines(request.args.get("path", "")) if each.startswith("/")]
    return typed[-1] if typed and is_shown(typed[-1], roots) else None
