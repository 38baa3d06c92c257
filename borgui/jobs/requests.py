"""A start as a person or program asks for it: checked against its kind, then admitted."""

from collections.abc import Mapping
from typing import Any

from redis import Redis
from sqlalchemy.orm import Session

from borgui.config import Config
from borgui.jobs import admission
from borgui.jobs.job import Job, Priority
from borgui.jobs.kind import Kind
from borgui.models import Repository


def start(
    session: Session,
    queue: Redis,
    config: Config,
    kind: Kind,
    repository: Repository | None,
    given: Mapping[str, Any],
    *,
    user_id: int | None,
    idempotency_key: str | None = None,
) -> Job:
    """Start a job of ``kind`` with what its ``body`` (dumped) and its address say. Commits.

    Raises what :func:`borgui.jobs.admission.start` does, and :class:`borgui.errors.Invalid`.
    """
    options = {name: value for name, value in given.items() if value is not None}
    priority = Priority(options.pop("priority", kind.priority))
    kind.check(config, repository, options)
    return admission.start(
        session,
        queue,
        kind,
        repository,
        options=options,
        priority=priority,
        user_id=user_id,
        idempotency_key=idempotency_key,
    )
