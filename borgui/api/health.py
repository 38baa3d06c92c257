"""``GET /health``: for load balancers, containers and people. Never raises, needs no sign-in."""

import logging
from typing import Any

import redis
from flask import Blueprint, request
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from borgui import __version__, live
from borgui.api.answers import Health
from borgui.api.blueprint import describes
from borgui.extensions import live_redis, own_config
from borgui.models import Session

health = Blueprint("health", __name__)

log = logging.getLogger("borgui.web")


class HealthQuery(BaseModel):
    """``live=1``: 200 as long as the web itself answers."""

    live: str | None = None


@health.get("/health")
@describes("health.show", query=HealthQuery, answer=Health, also={503: Health}, tag="health")
def show() -> tuple[dict[str, Any], int]:
    """200 when all is well, 503 when something is missing; with ``?live=1`` always 200.

    ``control`` is there only while it is missing: then ``degraded`` would otherwise have no reason.
    """
    found: dict[str, Any] = {"database": _database(), **_queue()}
    parts = {name: value for name, value in found.items() if name != "workers"}
    is_well = bool(found["workers"]) and all(value == "ok" for value in parts.values())
    is_live = request.args.get("live") == "1"
    answer = {"status": "ok" if is_well else "degraded", **found, "version": __version__}
    return answer, 200 if is_well or is_live else 503


def _database() -> str:
    try:
        Session.execute(text("SELECT 1 FROM users LIMIT 1"))
    except SQLAlchemyError as error:
        log.warning("The database does not answer: %s", error)
        return "unavailable"
    return "ok"


def _queue() -> dict[str, Any]:
    """Redis itself, the workers of this machine, the scheduler; control where it is missing."""
    config = own_config()
    try:
        client = live_redis()
        living = live.living(client)
        machine = live.read_machine(client, config.machine)
    except redis.RedisError:
        return {"redis": "unavailable", "workers": None, "scheduler": "unknown"}
    found = {
        "redis": "ok",
        "workers": (machine.workers or 0) if machine else 0,
        "scheduler": "ok" if "scheduler" in living else "missing",
    }
    return found if "control" in living else {**found, "control": "missing"}
