"""``/api/repositories``, and the archives known of each."""

from typing import Any

from flask import url_for
from flask_login import current_user
from sqlalchemy import func, select

from borgui import repositories
from borgui.api.answers import (
    ArchiveAnswer,
    ListOf,
    NewRepository,
    RepositoryAnswer,
    Started,
)
from borgui.api.blueprint import api, describes
from borgui.api.incoming import Flag, Nothing, Paged, idempotency_key, read_body, read_query
from borgui.api.kinds import started
from borgui.extensions import own_config, queue_redis
from borgui.jobs import history
from borgui.jobs.view import iso
from borgui.models import Archive, Repository, Session
from borgui.repositories import RepositoryChange, RepositoryInput, load
from borgui.security.access import can
from borgui.security.permissions import Permission
from borgui.validation import Input


class ForgetQuery(Input):
    """Whether borg's data is deleted too, all archives with it."""

    delete_data: Flag = False


@api.get("/repositories")
@describes("repositories_list", query=Paged, answer=ListOf[RepositoryAnswer], tag="repositories")
def repositories_list() -> dict[str, Any]:
    """All repositories, by name."""
    asked = read_query(Paged)
    total = Session.scalar(select(func.count(Repository.id))) or 0
    wanted = select(Repository).order_by(func.lower(Repository.name), Repository.id)
    first = (asked.page - 1) * asked.per_page
    rows = Session.scalars(wanted.limit(asked.per_page).offset(first)).all()
    return {
        "items": [_fields(row) for row in rows],
        "total": total,
        "page": asked.page,
        "per_page": asked.per_page,
    }


@api.post("/repositories")
@describes(
    "repositories_create",
    body=RepositoryInput,
    answer=NewRepository,
    status=201,
    tag="repositories",
)
def repositories_create() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Create or import a repository: starts its init or import job, which makes it ready."""
    given = read_body(RepositoryInput)
    repository, job = repositories.create(
        Session(),
        queue_redis(),
        own_config(),
        given,
        user_id=current_user.id,
        idempotency_key=idempotency_key(),
    )
    place = url_for("api.repository_show", repo_id=repository.id)
    return {**_fields(repository), "job_id": job.id}, 201, {"Location": place}


@api.get("/repositories/<int:repo_id>")
@describes("repository_show", answer=RepositoryAnswer, tag="repositories")
def repository_show(repo_id: int) -> dict[str, Any]:
    """One repository. Its passphrase and key are never answered."""
    return _fields(load(Session(), repo_id))


@api.put("/repositories/<int:repo_id>")
@describes("repository_change", body=RepositoryChange, answer=RepositoryAnswer, tag="repositories")
def repository_change(repo_id: int) -> dict[str, Any]:
    """Change the fields given; the others stay."""
    given = read_body(RepositoryChange)
    repository = load(Session(), repo_id)
    return _fields(repositories.change(Session(), repository, given))


@api.delete("/repositories/<int:repo_id>")
@describes(
    "repository_forget",
    query=ForgetQuery,
    status=204,
    also={202: Started},
    tag="repositories",
)
def repository_forget(repo_id: int) -> Any:
    """Forget a repository; borg's data stays. With ``delete_data=true`` a job deletes that too."""
    asked = read_query(ForgetQuery)
    read_body(Nothing)
    if not asked.delete_data:
        repositories.forget(Session(), load(Session(), repo_id))
        return "", 204
    key = idempotency_key()
    queue = queue_redis()
    repository = load(Session(), repo_id)
    return started(
        repositories.delete_data(
            Session(), queue, repository, user_id=current_user.id, idempotency_key=key
        )
    )


@api.get("/repositories/<int:repo_id>/archives")
@describes("repository_archives", query=Paged, answer=ListOf[ArchiveAnswer], tag="archives")
def repository_archives(repo_id: int) -> dict[str, Any]:
    """The archives known of a repository, newest first."""
    asked = read_query(Paged)
    repository = load(Session(), repo_id)
    found = history.archives(Session(), repository.id, page=asked.page, per_page=asked.per_page)
    return {
        "items": [_archive(row) for row in found.items],
        "total": found.total,
        "page": found.page,
        "per_page": found.per_page,
    }


def _fields(repository: Repository) -> dict[str, Any]:
    return repositories.fields(repository, browse=can(Permission.BROWSE))


def _archive(row: Archive) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "borg_id": row.borg_id,
        "repository_id": row.repository_id,
        "job_id": row.job_id,
        "start": iso(row.start),
        "end": iso(row.end),
        "nfiles": row.nfiles,
        "original_size": row.original_size,
        "compressed_size": row.compressed_size,
        "deduplicated_size": row.deduplicated_size,
        "comment": row.comment,
        "hostname": row.hostname,
        "username": row.username,
    }
