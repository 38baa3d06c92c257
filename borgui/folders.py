"""Questions about the folders of a machine, asked of its quick worker."""

import re
from typing import Any

from redis import Redis

from borgui import live, queueing
from borgui.errors import Invalid, TimedOut
from borgui.validation import to_b64

PATIENCE = 5.0
"""Seconds."""


def list_folder(
    queue: Redis, patient: Redis, machine: str, path: str, *, folders_only: bool = True
) -> dict[str, Any]:
    """The folder ``path`` of ``machine``, as :func:`borgui.runner.quick.list_folder` tells it.

    ``patient`` answers text and waits longer than :data:`PATIENCE`. Raises :class:`Invalid` and
    :class:`TimedOut`, and redis' errors.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", machine):
        raise Invalid({"machine": "Use letters, digits, - and _ only."})
    if not path.startswith("/"):
        raise Invalid({"path": "A folder's path begins with a slash."})
    request = live.new_request()
    queueing.enqueue(
        queue,
        queueing.quick_queue(machine),
        queueing.LIST_FOLDER,
        request,
        to_b64(path),
        folders_only,
        time_limit=10,
        ttl=10,
    )
    found = live.await_answer(patient, request, PATIENCE)
    if not isinstance(found, dict):
        raise TimedOut(
            "machine_silent", f"{machine} did not answer within {PATIENCE:.0f} seconds. Try again."
        )
    return found
