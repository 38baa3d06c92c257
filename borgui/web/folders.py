"""The folder picker: a dialog whose listing the machine's quick worker makes."""

import base64
import os

from flask import Blueprint, Response, current_app, request

from borgui.config import Config
from borgui.extensions import clients, queue_redis
from borgui.folders import list_folder
from borgui.validation import Input, PathB64, checked, to_b64
from borgui.web.filters import is_odd
from borgui.web.layout import page

folders = Blueprint("folders", __name__)

FIELDS = ("path", "source_directories", "destination")


class Where(Input):
    """The folder to list."""

    path_b64: PathB64


@folders.get("/folders")
def pick() -> Response:
    """The picker as a partial; ``into`` is the field it fills, ``path_b64`` or ``path`` where."""
    asked = checked(Where, {"path_b64": request.args.get("path_b64") or to_b64(_start())})
    into = request.args.get("into", "")
    config: Config = current_app.config["BORGUI"]
    found = list_folder(queue_redis(), clients().patient, config.machine, asked.path_b64)
    return page(
        "folders/_picker.html",
        folder=found,
        is_odd=is_odd(os.fsdecode(base64.b64decode(found["path_b64"]))),
        into=into if into in FIELDS else FIELDS[1],
        is_step="step" in request.args,
    )


def _start() -> str:
    """Where to begin: the last folder already typed, else the root."""
    typed = [each for each in request.args.get("path", "").splitlines() if each.startswith("/")]
    return typed[-1] if typed else "/"
