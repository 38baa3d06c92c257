"""The calls that belong to one kind of job, as its room states them in ``Kind.routes``.

A new kind needs no edit here.
"""

from collections.abc import Callable
from typing import Any, Literal

from flask import url_for
from flask_login import current_user
from pydantic import BaseModel, create_model

from borgui.api.answers import JobAnswer, JobDetail, ListOf, Started
from borgui.api.blueprint import api, describes
from borgui.api.incoming import Paged, idempotency_key, read_body, read_query
from borgui.api.jobs import job_page, load_job, one_job
from borgui.api.logs import LogQuery, log_answer
from borgui.contents import load_archive
from borgui.extensions import own_config, queue_redis
from borgui.jobs import KINDS, requests
from borgui.jobs.job import Job
from borgui.jobs.kind import Kind, Route
from borgui.models import Repository, Session
from borgui.repositories import load as load_repository
from borgui.security.access import endpoint_of
from borgui.validation import Id, Input

PriorityName = Literal["high", "default", "low"]

StartAnswer = tuple[dict[str, Any], int, dict[str, str]]


class Start(Input):
    """What every start takes."""

    priority: PriorityName = "default"


def started(job: Job) -> StartAnswer:
    """202 with the job's number, and its address in ``Location``."""
    place = url_for("api.job_show", job_id=job.id)
    return {"job_id": job.id, "status": str(job.status)}, 202, {"Location": place}


def _start_view(kind: Kind, rule: str) -> tuple[Callable[..., StartAnswer], type[Input]]:
    model = _body_model(kind, rule)

    def start(**ids: int) -> StartAnswer:
        given = read_body(model).model_dump()
        key = idempotency_key()
        queue = queue_redis()
        repository, subject = _subject({**ids, **_taken(given, "repository_id")})
        job = requests.start(
            Session(),
            queue,
            own_config(),
            kind,
            repository,
            {**given, **subject},
            user_id=current_user.id,
            idempotency_key=key,
        )
        return started(job)

    start.__doc__ = f"Start a job of the kind {kind.label}."
    return start, model


def _body_model(kind: Kind, rule: str) -> type[Input]:
    """What a start takes: ``priority``, the kind's own fields, and the repository's id where the
    address does not name one."""
    extra: dict[str, Any] = {"priority": (PriorityName, kind.priority.value)}
    if "<" not in rule:
        extra["repository_id"] = (Id, ...)
    bases = (Start,) if kind.body is None else (kind.body, Start)
    name = "".join(part.capitalize() for part in kind.name.split("_"))
    return create_model(f"{name}Start", __base__=bases, **extra)


def _taken(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {"repo_id": values.pop(name)} if name in values else {}


def _subject(ids: dict[str, int]) -> tuple[Repository | None, dict[str, Any]]:
    """The repository a job is for, and the archives where the address names some."""
    archives: dict[str, Any] = {
        name: ids[name] for name in ("archive_id", "other_id") if name in ids
    }
    if archives:
        found = [load_archive(Session(), number) for number in archives.values()]
        return found[0].repository, archives
    return (load_repository(Session(), ids["repo_id"]) if "repo_id" in ids else None), {}


def _show_view(kind: Kind) -> Callable[..., dict[str, Any]]:
    def show(job_id: int) -> dict[str, Any]:
        return one_job(load_job(job_id, kind.name))

    show.__doc__ = f"One job of the kind {kind.label}."
    return show


def _list_view(kind: Kind) -> Callable[..., dict[str, Any]]:
    def history(repo_id: int | None = None) -> dict[str, Any]:
        asked = read_query(Paged)
        if repo_id is not None:
            load_repository(Session(), repo_id)
        return job_page(asked.page, asked.per_page, kind=kind.name, repository_id=repo_id)

    history.__doc__ = f"Jobs of the kind {kind.label}, newest first."
    return history


def _log_view(kind: Kind) -> Callable[..., Any]:
    def log(job_id: int) -> Any:
        return log_answer(load_job(job_id, kind.name))

    log.__doc__ = f"The log of a job of the kind {kind.label}; streams while it runs."
    return log


def _view(kind: Kind, route: Route) -> Callable[..., Any]:
    endpoint = endpoint_of(kind.name, route.does).removeprefix("api.")
    answer: type[BaseModel] | None
    if route.does == "start":
        start, body = _start_view(kind, route.rule)
        return describes(endpoint, body=body, answer=Started, status=202, tag=kind.name)(start)
    if route.does == "show":
        return describes(endpoint, answer=JobDetail, tag=kind.name)(_show_view(kind))
    if route.does == "list":
        answer = ListOf[JobAnswer]
        return describes(endpoint, query=Paged, answer=answer, tag=kind.name)(_list_view(kind))
    note = describes(endpoint, query=LogQuery, tag=kind.name, content_type="text/plain")
    return note(_log_view(kind))


def register() -> None:
    """Add the routes of every kind to the blueprint."""
    for kind in KINDS:
        for route in kind.routes:
            endpoint = endpoint_of(kind.name, route.does).removeprefix("api.")
            api.add_url_rule(route.rule, endpoint, _view(kind, route), methods=[route.method])


register()
