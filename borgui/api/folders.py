"""``GET /api/folders``: the folder picker's listing."""

from typing import Any

from borgui import folders
from borgui.api.answers import ErrorAnswer, FolderAnswer
from borgui.api.blueprint import api, describes
from borgui.api.incoming import Flag, read_query
from borgui.errors import Invalid
from borgui.extensions import clients, own_config
from borgui.models import Session
from borgui.security.access import can, require
from borgui.security.permissions import Permission
from borgui.validation import Input, PathB64, PathText


class FolderQuery(Input):
    """A folder of a machine; ``path_b64`` is base64 of its bytes."""

    machine: str | None = None
    path: PathText | None = None
    path_b64: PathB64 | None = None
    folders_only: Flag = True
    purpose: folders.Purpose | None = None
    """What the folder is for: only where that may lie is shown. Without it an admin sees
    everything, and everybody else what they may restore to."""


@api.get("/folders", endpoint="folders")
@describes(
    "folders", query=FolderQuery, answer=FolderAnswer, also={504: ErrorAnswer}, tag="folders"
)
def list_folder() -> dict[str, Any]:
    """What lies in a folder, told by the machine's quick worker within 5 seconds, or 504."""
    asked = read_query(FolderQuery)
    if asked.path is not None and asked.path_b64 is not None:
        raise Invalid({"path": "Give the path once: as path or as path_b64."})
    purpose = asked.purpose or ("repository" if can(Permission.MANAGE) else "destination")
    if purpose != "destination":
        require(Permission.MANAGE)
    config = own_config()
    if asked.machine not in (None, config.machine):
        raise Invalid({"machine": f"There is no such machine. This one is {config.machine}."})
    roots = folders.roots_of(Session(), purpose)
    redis = clients()
    return folders.list_folder(
        redis.queue,
        redis.patient,
        config.machine,
        asked.path or asked.path_b64,
        folders_only=asked.folders_only,
        roots=roots,
    )
