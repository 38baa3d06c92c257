"""Questions to a machine's quick worker, and their answers."""

import json
import secrets
from typing import Any

from redis import Redis

from borgui.live.values import as_json

ANSWER_TTL = 60


def new_request() -> str:
    """A name for a question to a machine's quick worker."""
    return secrets.token_hex(16)


def answer(redis: Redis, request: str, value: object) -> None:
    """Leave the answer to a question, for a minute."""
    key = f"borgui:answer:{request}"
    pipeline = redis.pipeline(transaction=True)
    pipeline.rpush(key, json.dumps(value))
    pipeline.expire(key, ANSWER_TTL)
    pipeline.execute()


def await_answer(redis: Redis, request: str, seconds: float) -> Any:
    """The answer to a question; ``None`` when none comes in time. No polling.

    ``redis`` must have a socket time-out longer than ``seconds``.
    """
    found = redis.blpop([f"borgui:answer:{request}"], timeout=seconds)
    return None if found is None else as_json(found[1])
