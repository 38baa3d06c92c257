"""Questions about the folders of a machine, asked of its quick worker."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from redis import Redis
from sqlalchemy.orm import Session

from borgui import live, queueing
from borgui.errors import Invalid, TimedOut
from borgui.models import read_settings
from borgui.roots import EVERYTHING, canonical, is_inside, leads_to
from borgui.validation import to_b64

PATIENCE = 5.0
"""Seconds."""

Purpose = Literal["source", "destination", "repository"]
"""What a folder is looked for as."""


def roots_of(session: Session, purpose: Purpose) -> tuple[str, ...]:
    """Where it may lie."""
    settings = read_settings(session)
    if purpose == "repository":
        return EVERYTHING
    return settings.source_roots if purpose == "source" else settings.restore_roots


def is_shown(path: str, roots: Sequence[str]) -> bool:
    """Whether ``path``, as it is written, lies in one of ``roots`` or on the way to several."""
    path = canonical(path)
    return is_inside(path, roots) or (len(roots) > 1 and leads_to(path, roots))


def list_folder(
    queue: Redis,
    patient: Redis,
    machine: str,
    path: str | None,
    *,
    folders_only: bool = True,
    roots: Sequence[str] = EVERYTHING,
) -> dict[str, Any]:
    """The folder ``path`` of ``machine``, as :func:`borgui.runner.quick.list_folder` tells it;
    without ``path`` the one root there is, or ``/``.

    ``patient`` answers text and waits longer than :data:`PATIENCE`. Raises :class:`Invalid` and
    :class:`TimedOut`, and redis' errors.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", machine):
        raise Invalid({"machine": "Use letters, digits, - and _ only."})
    if path is None:
        path = roots[0] if len(roots) == 1 else "/"
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
        list(roots),
        time_limit=10,
        ttl=10,
    )
    found = live.await_answer(patient, request, PATIENCE)
    if not isinstance(found, dict):
        raise TimedOut(
            "machine_silent", f"{machine} did not answer within {PATIENCE:.0f} seconds. Try again."
        )
    return found
