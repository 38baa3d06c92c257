"""``/api/mounts``: what is mounted. Its start is in the kind's own room."""

from typing import Any

from borgui.api.answers import JobAnswer, JobDetail, ListOf
from borgui.api.blueprint import api, describes
from borgui.api.incoming import Nothing, Paged, read_body, read_query
from borgui.api.jobs import one_job
from borgui.extensions import live_redis, queue_redis
from borgui.jobs import admission, mounts
from borgui.jobs.view import job_fields, live_of
from borgui.models import Session


@api.get("/mounts")
@describes("mounts_list", query=Paged, answer=ListOf[JobAnswer], tag="mount")
def mounts_list() -> dict[str, Any]:
    """What is mounted or about to be, newest first: jobs of the kind mount that have not ended.

    ``mounted_at`` is null until the archive can be looked into at ``mountpoint``.
    """
    asked = read_query(Paged)
    rows = mounts.active(Session())
    shown = rows[(asked.page - 1) * asked.per_page :][: asked.per_page]
    live = live_of(live_redis(), shown)
    return {
        "items": [job_fields(job, live.get(job.id)) for job in shown],
        "total": len(rows),
        "page": asked.page,
        "per_page": asked.per_page,
    }


@api.delete("/mounts/<int:job_id>")
@describes("mount_end", body=Nothing, answer=JobDetail, status=202, tag="mount")
def mount_end(job_id: int) -> tuple[dict[str, Any], int]:
    """Unmount, also where somebody is still in it; the same as to cancel the job. 409 when it has
    ended."""
    read_body(Nothing)
    queue = queue_redis()
    job = mounts.load(Session(), job_id)
    admission.cancel(Session(), queue, job)
    return one_job(job), 202
