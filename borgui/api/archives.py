"""``/api/archives``: what archives hold. No GET starts a job."""

from typing import Annotated, Any, Literal

from flask_login import current_user
from pydantic import Field

from borgui import contents, diffs
from borgui.api.archive_answers import (
    ContentChangeName,
    DiffAnswers,
    EntriesAnswer,
    IndexStarted,
)
from borgui.api.blueprint import api, describes
from borgui.api.incoming import Flag, Paged, idempotency_key, read_body, read_query
from borgui.api.kinds import Start, started
from borgui.borg.differences import Change, Difference
from borgui.borg.display import printable_path
from borgui.contents import LONGEST_PATH, load_archive
from borgui.errors import Conflict, Invalid
from borgui.extensions import own_config, queue_redis
from borgui.index import Counts, Entry, Sort
from borgui.jobs.job import Priority
from borgui.jobs.view import iso
from borgui.models import Archive, Session
from borgui.validation import Input, PathB64, Text, path_fields, to_b64

InnerPath = Annotated[Text, Field(max_length=LONGEST_PATH)]


class Inside(Input):
    """A path in an archive, without a leading slash: as text, or exactly, as base64 of its bytes.

    None is the archive's root.
    """

    path: InnerPath = ""
    path_b64: PathB64 | None = None

    def checked_path(self) -> str:
        """The path that was given; raises :class:`Invalid`."""
        if self.path_b64 is None:
            return contents.check_path(self.path)
        if self.path:
            raise Invalid({"path": "Give the path once: as path or as path_b64."})
        return contents.check_path(self.path_b64, "path_b64")


class FolderQuery(Paged, Inside):
    """A folder of an archive. Folders stand before all else."""

    sort: Literal["name", "size", "mtime"] = "name"
    order: Literal["asc", "desc"] = "asc"


class DiffQuery(Paged, Inside):
    """A folder of both archives; ``flat``: every change below it as one list.

    ``contents``: what borg's own comparison found in the folder and below, as one list; ``change``
    limits that to one way of differing.
    """

    flat: Flag = False
    contents: Flag = False
    change: ContentChangeName | None = None


@api.post("/archives/<int:archive_id>/index")
@describes(
    "archive_index",
    body=Start,
    answer=IndexStarted,
    status=202,
    also={200: IndexStarted},
    tag="archives",
)
def archive_index(archive_id: int) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Make the archive's index: 202 with the job that does, 200 where it is there already."""
    given = read_body(Start)
    key = idempotency_key()
    queue = queue_redis()
    job = contents.start_index(
        Session(),
        queue,
        own_config(),
        load_archive(Session(), archive_id),
        user_id=current_user.id,
        idempotency_key=key,
        priority=Priority(given.priority),
    )
    if job is None:
        return {"job_id": None, "status": "completed"}, 200, {}
    if job.kind != "index":
        raise Conflict("key_used", "This Idempotency-Key has started another kind of job.")
    return started(job)


@api.get("/archives/<int:archive_id>/entries")
@describes("archive_entries", query=FolderQuery, answer=EntriesAnswer, tag="archives")
def archive_entries(archive_id: int) -> dict[str, Any]:
    """One folder of an archive. 409 ``index_missing`` before its index is made."""
    asked = read_query(FolderQuery)
    path = asked.checked_path()
    found = contents.folder(
        own_config(),
        load_archive(Session(), archive_id),
        path,
        sort=Sort(asked.sort),
        is_descending=asked.order == "desc",
        page=asked.page,
        per_page=asked.per_page,
    )
    return {
        "archive_id": archive_id,
        **path_fields("path", path),
        "folder": found.entry and entry_fields(found.entry),
        "items": [entry_fields(each) for each in found.entries],
        "total": found.total,
        "folders": found.folders,
        "page": found.page,
        "per_page": found.per_page,
    }


@api.get("/archives/<int:archive_id>/diff/<int:other_id>")
@describes("archive_diff", query=DiffQuery, answer=DiffAnswers, tag="archives")
def archive_diff(archive_id: int, other_id: int) -> dict[str, Any]:
    """What changed from the first archive to the second: by folder, told by their indexes; with
    ``contents``, told by the newest content diff, 409 ``diff_missing`` before there is one."""
    asked = read_query(DiffQuery)
    path = asked.checked_path()
    before, after = load_archive(Session(), archive_id), load_archive(Session(), other_id)
    if asked.contents:
        return _contents(asked, before, after, path)
    if asked.change is not None:
        raise Invalid({"change": "It limits what contents=true answers."})
    found = contents.compare(
        own_config(),
        before,
        after,
        path,
        is_flat=asked.flat,
        page=asked.page,
        per_page=asked.per_page,
    )
    return {
        "before": archive_fields(found.before),
        "after": archive_fields(found.after),
        **path_fields("path", path),
        "items": [_change(each) for each in found.changes],
        "total": None,
        "page": found.page,
        "per_page": found.per_page,
        "has_more": found.has_more,
        "is_complete": found.is_complete,
        "counts": _counts(found.counts),
    }


def _contents(asked: DiffQuery, before: Archive, after: Archive, path: str) -> dict[str, Any]:
    found = diffs.read(
        Session(),
        own_config(),
        before,
        after,
        path,
        change=None if asked.change is None else Change(asked.change),
        page=asked.page,
        per_page=asked.per_page,
    )
    job = found.job
    return {
        "before": archive_fields(before),
        "after": archive_fields(after),
        **path_fields("path", path),
        "items": [_difference(each) for each in found.items],
        "total": found.total,
        "page": found.page,
        "per_page": found.per_page,
        "counts": {str(change): count for change, count in found.counts.items()},
        "times_only": job.times_only,
        "job_id": job.id,
        "compared_at": iso(job.completed_at),
        "expires_at": iso(job.expires_at),
        "paths": [printable_path(each) for each in job.paths],
        "paths_b64": [to_b64(each) for each in job.paths],
    }


def _difference(each: Difference) -> dict[str, Any]:
    modes, owners = each.modes or (None, None), each.owners or (None, None)
    return {
        **path_fields("path", each.path),
        "type": each.kind,
        "changes": [str(change) for change in Change if change in each.changes],
        "added_size": each.added,
        "removed_size": each.removed,
        "mode_before": modes[0],
        "mode_after": modes[1],
        "owner_before": _printable(owners[0]),
        "owner_after": _printable(owners[1]),
        "is_odd": each.is_odd,
        "is_exact": each.is_exact,
    }


def entry_fields(entry: Entry) -> dict[str, Any]:
    """An entry of an archive as the API answers it."""
    return {
        "name": printable_path(entry.name),
        **path_fields("path", entry.path),
        "type": str(entry.kind),
        "size": entry.size,
        "files": entry.files,
        "mode": entry.mode,
        "user": _printable(entry.user),
        "group": _printable(entry.group),
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": iso(entry.mtime),
        "link_target": _printable(entry.link_target),
        "is_odd": entry.is_odd,
        "is_broken": entry.is_broken,
    }


def _printable(text: str | None) -> str | None:
    return None if text is None else printable_path(text)


def archive_fields(row: Archive | contents.Dated) -> dict[str, Any]:
    """An archive, in short."""
    return {"id": row.id, "name": row.name, "start": iso(row.start)}


def _change(change: contents.Change) -> dict[str, Any]:
    shown = change.after or change.before
    return {
        "status": str(change.status),
        **path_fields("path", change.path),
        "type": None if shown is None else str(shown.kind),
        "before": change.before and entry_fields(change.before),
        "after": change.after and entry_fields(change.after),
        "counts": _counts(change.counts),
    }


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "added": counts.added,
        "removed": counts.removed,
        "modified": counts.modified,
        "added_size": counts.added_size,
        "removed_size": counts.removed_size,
    }
