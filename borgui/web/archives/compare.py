"""What changed between two archives of a repository: folder by folder, told by their indexes; or
entry by entry, told by borg where somebody has asked for that."""

from collections.abc import Callable
from typing import Any

from flask import Response, redirect, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from borgui import contents, diffs
from borgui.borg.differences import Change
from borgui.errors import Conflict, NotFound
from borgui.extensions import own_config, queue_redis
from borgui.jobs.job import Status
from borgui.models import Archive, Session
from borgui.repositories import load as load_repository
from borgui.validation import LARGEST_ID, to_b64
from borgui.web import job_line
from borgui.web.archives.blueprint import archives, at, crumbs, load, page_number, place
from borgui.web.archives.browse import unlisted
from borgui.web.layout import page
from borgui.web.starting import start

PER_PAGE = 200
OFFERED = 300
"""Archives that the two fields offer; what was ticked in the list is offered besides."""


@archives.get("/repositories/<int:repository_id>/compare")
def compare(repository_id: int) -> AnyResponse:
    """Choose two archives, and see what differs between them, the older one first."""
    repository = load_repository(Session(), repository_id)
    ticked = request.args.getlist("archive", type=int)
    if len(set(ticked)) == 2:
        one, two = sorted(
            (_of(repository_id, each) for each in set(ticked)),
            key=lambda each: (each.start, each.id),
        )
        return redirect(
            url_for("archives.compare", repository_id=repository_id, before=one.id, after=two.id),
            303,
        )
    before, after = _chosen(repository_id, "before"), _chosen(repository_id, "after")
    values: dict[str, Any] = {
        "repository": repository,
        "tab": "archives",
        "before": before,
        "after": after,
        "offered": _offered(repository_id, before, after),
        "ticked": len(set(ticked)),
        "path": "",
        "crumbs": [],
        "found": None,
        "unlisted": [],
        "contents": by_contents(),
    }
    if before is None or after is None:
        return page("archives/compare.html", **values)
    told = _told(before, after) if by_contents() else _compared(before, after)
    return page("archives/compare.html", **{**values, **told})


@archives.get("/repositories/<int:repository_id>/compare/changes")
def changes(repository_id: int) -> Response:
    """What differs, as a partial."""
    return _partial("archives/_changes.html", repository_id, _compared)


@archives.get("/repositories/<int:repository_id>/compare/contents")
def content_changes(repository_id: int) -> Response:
    """What borg found to differ, as a partial."""
    return _partial("archives/_contents.html", repository_id, _told)


def _partial(
    template: str, repository_id: int, tell: Callable[[Archive, Archive], dict[str, Any]]
) -> Response:
    repository = load_repository(Session(), repository_id)
    before = _of(repository_id, request.args.get("before", 0, type=int))
    after = _of(repository_id, request.args.get("after", 0, type=int))
    told = tell(before, after)
    return page(template, repository=repository, before=before, after=after, **told)


@archives.post("/repositories/<int:repository_id>/compare")
def compare_contents(repository_id: int) -> AnyResponse:
    """Have borg compare the contents of two archives, in one folder of them or whole; leads back
    to the comparison, where the job is followed."""
    queue = queue_redis()
    load_repository(Session(), repository_id)
    before = _of(repository_id, request.form.get("before", 0, type=int))
    after = _of(repository_id, request.form.get("after", 0, type=int))
    path = place(request.form)
    if diffs.active(Session(), before, after, path) is None:
        values = {"paths_b64": [to_b64(path)] if path else []}
        repository = before.repository
        start(queue, "diff", repository, values, archive_id=before.id, other_id=after.id)
    address = at(
        "archives.compare",
        path,
        repository_id=repository_id,
        before=before.id,
        after=after.id,
        contents=1,
    )
    return redirect(address, 303)


def by_contents() -> bool:
    """Whether the page is to show what borg found, not what the indexes tell."""
    return request.args.get("contents") == "1"


def _told(before: Archive, after: Archive) -> dict[str, Any]:
    path = place(request.args)
    change = request.args.get("change")
    values: dict[str, Any] = {
        "path": path,
        "crumbs": crumbs(path),
        "told": None,
        "job": None,
        "changes": list(Change),
        "fixed": {
            "repository_id": before.repository_id,
            "before": before.id,
            "after": after.id,
            "contents": 1,
        },
    }
    job = diffs.last(Session(), before, after, path)
    if job is not None and job.status != Status.COMPLETED:
        values["job"] = job_line.lines([job])[0]
    try:
        values["told"] = diffs.read(
            Session(),
            own_config(),
            before,
            after,
            path,
            change=Change(change) if change in set(Change) else None,
            page=page_number(),
            per_page=PER_PAGE,
        )
    except Conflict as error:
        if error.code != "diff_missing":
            raise
    return values


def _compared(before: Archive, after: Archive) -> dict[str, Any]:
    path = place(request.args)
    values: dict[str, Any] = {"path": path, "crumbs": crumbs(path), "found": None, "unlisted": []}
    lacking = [each for each in (before, after) if not contents.is_indexed(own_config(), each)]
    if lacking:
        return {**values, "unlisted": [unlisted(each) for each in lacking]}
    try:
        found = contents.compare(
            own_config(), before, after, path, page=page_number(), per_page=PER_PAGE
        )
    except Conflict as error:
        if error.code != "index_missing":
            raise
        return {**values, "unlisted": [unlisted(each) for each in (before, after)]}
    return {**values, "found": found}


def _chosen(repository_id: int, name: str) -> Archive | None:
    number = request.args.get(name, 0, type=int)
    return _of(repository_id, number) if number else None


def _of(repository_id: int, number: int) -> Archive:
    """The archive, if it is one of this repository; else 404."""
    archive = load(number if 0 < number <= LARGEST_ID else 0)
    if archive.repository_id != repository_id:
        raise NotFound("archive_not_found", f"There is no archive {number} in this repository.")
    return archive


def _offered(repository_id: int, *besides: Archive | None) -> list[Archive]:
    """The newest archives, and those that are chosen already."""
    rows = Session.scalars(
        select(Archive)
        .where(Archive.repository_id == repository_id)
        .order_by(Archive.start.desc(), Archive.id.desc())
        .limit(OFFERED)
    ).all()
    more = [each for each in besides if each is not None and each not in rows]
    return [*rows, *more]
