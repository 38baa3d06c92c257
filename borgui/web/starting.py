"""Starting a job from a page: what was typed is checked, and a form sent twice starts one job."""

from collections.abc import Mapping
from typing import Any

from flask_login import current_user
from redis import Redis

from borgui.extensions import own_config
from borgui.jobs import kind_of, requests
from borgui.jobs.job import Job
from borgui.models import Repository, Session
from borgui.validation import checked
from borgui.web.forms import token


def start(
    queue: Redis,
    name: str,
    repository: Repository,
    values: Mapping[str, Any] | None = None,
    **address: int,
) -> Job:
    """Start a job of the kind ``name`` with the ``values`` of a form and what the ``address``
    names. Commits.

    ``queue`` has answered before the repository was loaded: see
    :func:`borgui.extensions.queue_redis`. Raises :class:`borgui.errors.Invalid` and
    :class:`borgui.errors.Conflict`.
    """
    kind = kind_of(name)
    given = {} if kind.body is None else checked(kind.body, values or {}).model_dump()
    return requests.start(
        Session(),
        queue,
        own_config(),
        kind,
        repository,
        {**given, **address},
        user_id=current_user.id,
        idempotency_key=token(),
    )
