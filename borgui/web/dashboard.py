"""The first page: is my data safe, what runs, what needs a look."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response

from borgui.jobs import dashboard as summary
from borgui.jobs.dashboard import Summary
from borgui.models import Session
from borgui.web import filters, job_line
from borgui.web.layout import page

dashboard = Blueprint("dashboard", __name__)


@dashboard.get("/")
def index() -> Response:
    """The dashboard."""
    return page("dashboard/index.html", **_overview())


@dashboard.get("/dashboard/overview")
def overview() -> Response:
    """Its whole content as a partial."""
    return page("dashboard/_overview.html", **_overview())


@dataclass(frozen=True, slots=True)
class Headline:
    """The state of everything in one sentence, and a second one that adds a fact."""

    text: str
    tone: str
    icon: str
    more: str = ""


def _overview() -> dict[str, Any]:
    rows = summary.active(Session())
    repositories = summary.summaries(Session(), rows)
    failures = [job for each in repositories for job in each.failures]
    failures.sort(key=lambda job: job.id, reverse=True)
    return {
        "repositories": repositories,
        "active": job_line.lines(rows),
        "failures": [job_line.from_row(job) for job in failures],
        "headline": headline(repositories),
    }


def headline(repositories: list[Summary]) -> Headline:
    """What to say first of these repositories (at least one)."""
    bad = [each for each in repositories if each.failures or each.status == "error"]
    ready = [each for each in repositories if each.status == "ready"]
    never = [each for each in ready if each.last_backup is None]
    if bad:
        word = "repository needs" if len(bad) == 1 else "repositories need"
        return Headline(f"{len(bad)} {word} a look", "bad", "alert-triangle", _oldest(ready))
    if never:
        names = never[0].name if len(never) == 1 else f"{len(never)} repositories"
        verb = "has" if len(never) == 1 else "have"
        return Headline(f"{names} {verb} no backup yet", "warn", "alert-triangle", _oldest(ready))
    if not ready:
        return Headline("Being set up", "live", "clock")
    text = "The repository has a backup" if len(ready) == 1 else "Every repository has a backup"
    return Headline(text, "good", "circle-check", _oldest(ready))


def _oldest(repositories: list[Summary]) -> str:
    backups: list[tuple[datetime, str]] = [
        (each.last_backup, each.name) for each in repositories if each.last_backup
    ]
    if not backups:
        return ""
    moment, name = min(backups)
    if len(backups) == 1:
        return f"The last one of {name} was made {filters.ago(moment)}."
    return f"The oldest last backup is that of {name}, made {filters.ago(moment)}."
