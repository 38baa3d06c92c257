"""``/api/jobs``: every kind at once."""

from typing import Any

from flask import url_for
from flask_login import current_user
from pydantic import Field

from borgui.api.answers import JobAnswer, JobDetail, ListOf, Started
from borgui.api.blueprint import api, describes
from borgui.api.incoming import Nothing, Number, Paged, idempotency_key, read_body, read_query
from borgui.api.logs import LogQuery, log_answer
from borgui.errors import Invalid, NotFound
from borgui.extensions import live_redis, queue_redis
from borgui.jobs import KINDS, admission, freeing, history, kind_of
from borgui.jobs.job import Job, Status
from borgui.jobs.view import job_detail, job_fields, live_of
from borgui.models import Session
from borgui.security.access import can, require
from borgui.security.permissions import Permission
from borgui.validation import LARGEST_ID


class JobQuery(Paged):
    """Which jobs are asked for."""

    kind: str | None = None
    status: str | None = None
    repository_id: Number | None = Field(None, ge=1, le=LARGEST_ID)


def load_job(job_id: int, kind: str | None = None) -> Job:
    """The job, or :class:`NotFound`; also when it is of another kind than was asked for."""
    job = Session.get(Job, job_id)
    if job is None or (kind is not None and job.kind != kind):
        raise NotFound("job_not_found", f"There is no {f'{kind} ' if kind else ''}job {job_id}.")
    return job


def one_job(job: Job) -> dict[str, Any]:
    """One job with what is known of it now."""
    live = live_of(live_redis(), [job]).get(job.id)
    return job_detail(job, live, browse=can(Permission.BROWSE))


def job_page(page: int, per_page: int, **filters: Any) -> dict[str, Any]:
    """One page of jobs."""
    found = history.jobs(Session(), page=page, per_page=per_page, **filters)
    live = live_of(live_redis(), found.items)
    browse = can(Permission.BROWSE)
    return {
        "items": [job_fields(job, live.get(job.id), browse=browse) for job in found.items],
        "total": found.total,
        "page": found.page,
        "per_page": found.per_page,
    }


@api.get("/jobs")
@describes("jobs_list", query=JobQuery, answer=ListOf[JobAnswer], tag="jobs")
def jobs_list() -> dict[str, Any]:
    """Jobs of every kind, newest first."""
    asked = read_query(JobQuery)
    _require_known("kind", asked.kind, [kind.name for kind in KINDS])
    _require_known("status", asked.status, list(Status))
    return job_page(
        asked.page,
        asked.per_page,
        kind=asked.kind,
        status=asked.status,
        repository_id=asked.repository_id,
    )


@api.get("/jobs/<int:job_id>")
@describes("job_show", answer=JobDetail, tag="jobs")
def job_show(job_id: int) -> dict[str, Any]:
    """One job of any kind."""
    return one_job(load_job(job_id))


@api.get("/jobs/<int:job_id>/log")
@describes("job_log", query=LogQuery, tag="jobs", content_type="text/plain")
def job_log(job_id: int) -> Any:
    """The log of a job; while it runs the answer streams until it ends."""
    return log_answer(load_job(job_id))


@api.post("/jobs/<int:job_id>/cancel")
@describes("job_cancel", body=Nothing, answer=JobDetail, status=202, tag="jobs")
def job_cancel(job_id: int) -> tuple[dict[str, Any], int]:
    """Cancel a job: at once while it waits, else as soon as borg has ended. 409 when it has."""
    read_body(Nothing)
    queue = queue_redis()
    job = load_job(job_id)
    require(kind_of(job.kind).permission)
    admission.cancel(Session(), queue, job)
    return one_job(job), 202


@api.post("/jobs/<int:job_id>/retry")
@describes("job_retry", body=Nothing, answer=Started, status=202, tag="jobs")
def job_retry(job_id: int) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Start a failed or cancelled job anew, as a job of its own that names its origin."""
    read_body(Nothing)
    key = idempotency_key()
    queue = queue_redis()
    job = load_job(job_id)
    require(kind_of(job.kind).permission)
    new = admission.retry(Session(), queue, job, user_id=current_user.id, idempotency_key=key)
    place = url_for("api.job_show", job_id=new.id)
    return {"job_id": new.id, "status": str(new.status)}, 202, {"Location": place}


@api.post("/jobs/<int:job_id>/free-lane")
@describes("job_free_lane", body=Nothing, answer=JobDetail, tag="jobs")
def job_free_lane(job_id: int) -> dict[str, Any]:
    """Let other jobs have the repository that the job of a silent machine keeps reserved, although
    borg may still run there. 409 when none is reserved, or when the machine answers again."""
    read_body(Nothing)
    queue = queue_redis()
    job = load_job(job_id)
    freeing.free_lane(Session(), queue, job, by=current_user.username)
    return one_job(job)


def _require_known(name: str, value: str | None, known: list[str]) -> None:
    if value is not None and value not in known:
        raise Invalid({name: f"Give one of {', '.join(known)}."})
