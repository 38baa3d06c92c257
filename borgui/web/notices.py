"""The bar that says what is missing: Redis, control, a worker, the scheduler, borg."""

from dataclasses import dataclass

from flask import Blueprint, Response
from redis import RedisError

from borgui import live
from borgui.extensions import live_redis, own_config
from borgui.web.layout import page

notices = Blueprint("notices", __name__)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is not there: what, and what that means."""

    title: str
    text: str
    tone: str = "bad"


@notices.get("/notices")
def bar() -> Response:
    """The bar alone; it asks again by itself."""
    return page("layout/_notices.html")


def missing() -> list[Missing]:
    """What is missing now, in two round trips to Redis."""
    config = own_config()
    client = live_redis()
    try:
        report = live.read_machine(client, config.machine)
        living = live.living(client)
    except RedisError:
        return [
            Missing(
                "Redis cannot be reached.",
                "History is shown as it was. Nothing can be started; there is no live progress.",
            )
        ]
    return [*_processes(living), *_machine(report)]


def _processes(living: set[live.Process]) -> list[Missing]:
    found = []
    if "control" not in living:
        found.append(
            Missing("Control does not answer.", "Jobs wait and do not end until it is back.")
        )
    if "scheduler" not in living:
        found.append(
            Missing("The scheduler does not answer.", "Nothing starts by itself.", tone="warn")
        )
    return found


def _machine(report: live.Machine | None) -> list[Missing]:
    if report is None:
        return [Missing("No worker answers.", "Jobs wait until one is back.")]
    if report.borg_error:
        return [Missing("Borg cannot be used.", report.borg_error)]
    return []
