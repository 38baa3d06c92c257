"""``/api/archives``: what archives hold. No GET starts a job."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from flask import current_app
from flask_login import current_user
from pydantic import AfterValidator, BeforeValidator, Field

from borgui import contents, diffs
from borgui.api.archive_answers import (
    ContentChangeName,
    DiffAnswers,
    EntriesAnswer,
    IndexStarted,
    SearchAnswer,
    VersionsAnswer,
)
from borgui.api.blueprint import api, describes
from borgui.api.incoming import Flag, Number, Paged, idempotency_key, read_body, read_query
from borgui.api.kinds import Start, started
from borgui.borg.differences import Change, Difference
from borgui.borg.display import printable_path
from borgui.config import Config
from borgui.contents import LONGEST_PATH, load_archive
from borgui.errors import Conflict, Invalid
from borgui.extensions import queue_redis
from borgui.index import Counts, Entry, Kind, Query, Sort
from borgui.jobs.job import Priority
from borgui.jobs.view import iso
from borgui.models import Archive, Session
from borgui.repositories import load as load_repository
from borgui.validation import LARGEST_ID, Input, PathB64, Text, path_fields, to_b64

LONGEST_QUESTION = 255
"""Letters; a name has no more bytes."""

LARGEST_SIZE = 2**60


def _moment(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC, a day alone is its beginning."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("Give a time as ISO 8601, such as 2026-11-23T18:00:00Z.") from error


def _as_moment(given: object) -> object:
    return _moment(given) if isinstance(given, str) else given


def _known_kinds(text: str) -> str:
    unknown = set(text.split(",")) - set(Kind)
    if unknown:
        raise ValueError(f"Give one of {', '.join(Kind)}, or several with commas between them.")
    return text


Moment = Annotated[datetime, BeforeValidator(_as_moment)]
Size = Annotated[Number, Field(ge=0, le=LARGEST_SIZE)]
Id = Annotated[Number, Field(ge=1, le=LARGEST_ID)]
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


class VersionsQuery(Paged, Inside):
    """A file or a folder of an archive."""


class FolderQuery(Paged, Inside):
    """A folder of an archive. Folders stand before all else."""

    sort: Literal["name", "size", "mtime"] = "name"
    order: Literal["asc", "desc"] = "asc"


class SearchQuery(Paged):
    """``q``: part of a name, or a glob (``*``, ``?``, ``[…]``) for the whole of it; case makes no
    difference. With a slash, what stands before the last one must stand in the path.

    Without ``repository_id`` and ``archive_id`` all repositories are searched. ``type`` may name
    several with commas. Sizes in bytes; ``after`` and ``before`` are times of modification; all
    bounds are included.
    """

    q: Annotated[Text, Field(max_length=LONGEST_QUESTION)] = ""
    repository_id: Id | None = None
    archive_id: Id | None = None
    type: Annotated[str, AfterValidator(_known_kinds)] | None = None
    min_size: Size | None = None
    max_size: Size | None = None
    after: Moment | None = None
    before: Moment | None = None

    def as_query(self) -> Query:
        """What is looked for; raises :class:`Invalid` when that is everything."""
        query = Query(
            text=self.q,
            kinds=frozenset(Kind(each) for each in (self.type or "").split(",") if each),
            smallest=self.min_size,
            largest=self.max_size,
            oldest=self.after,
            newest=self.before,
        )
        if query == Query():
            raise Invalid({"q": "Give a part of the name, or a size, a time or a type."})
        return query


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
        _config(),
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
        _config(),
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
        "folder": found.entry and _entry(found.entry),
        "items": [_entry(each) for each in found.entries],
        "total": found.total,
        "folders": found.folders,
        "page": found.page,
        "per_page": found.per_page,
    }


@api.get("/archives/<int:archive_id>/versions")
@describes("archive_versions", query=VersionsQuery, answer=VersionsAnswer, tag="archives")
def archive_versions(archive_id: int) -> dict[str, Any]:
    """The history of one path in all archives of this one's repository that have an index."""
    asked = read_query(VersionsQuery)
    path = asked.checked_path()
    if not path:
        raise Invalid({"path": "Give the path of a file or a folder."})
    archive = load_archive(Session(), archive_id)
    found = contents.history(Session(), _config(), archive.repository_id, path)
    first = (asked.page - 1) * asked.per_page
    return {
        "repository_id": archive.repository_id,
        **path_fields("path", path),
        "items": [_version(each) for each in found.versions[first : first + asked.per_page]],
        "total": len(found.versions),
        "page": asked.page,
        "per_page": asked.per_page,
        "indexed": found.indexed,
        "missing": found.missing,
    }


@api.get("/archives/search")
@describes("archives_search", query=SearchQuery, answer=SearchAnswer, tag="archives")
def archives_search() -> dict[str, Any]:
    """Files by name in one archive, one repository or all, each with its versions."""
    asked = read_query(SearchQuery)
    query = asked.as_query()
    archive = None if asked.archive_id is None else load_archive(Session(), asked.archive_id)
    if asked.repository_id is not None:
        load_repository(Session(), asked.repository_id)
        if archive is not None and archive.repository_id != asked.repository_id:
            raise Invalid({"archive_id": "This repository has no such archive."})
    found = contents.search(
        Session(),
        _config(),
        query,
        repository_id=asked.repository_id,
        archive=archive,
        page=asked.page,
        per_page=asked.per_page,
    )
    return {
        "items": [_found(each) for each in found.items],
        "total": None,
        "page": found.page,
        "per_page": found.per_page,
        "has_more": found.has_more,
        "is_complete": found.is_complete,
        "indexed": found.indexed,
        "missing": found.missing,
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
        _config(),
        before,
        after,
        path,
        is_flat=asked.flat,
        page=asked.page,
        per_page=asked.per_page,
    )
    return {
        "before": _archive(found.before),
        "after": _archive(found.after),
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
        _config(),
        before,
        after,
        path,
        change=None if asked.change is None else Change(asked.change),
        page=asked.page,
        per_page=asked.per_page,
    )
    job = found.job
    return {
        "before": _archive(before),
        "after": _archive(after),
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


def _entry(entry: Entry) -> dict[str, Any]:
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


def _archive(row: Archive | contents.Dated) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "start": iso(row.start)}


def _version(version: contents.Version) -> dict[str, Any]:
    return {
        "entry": _entry(version.entry),
        "first": _archive(version.first),
        "last": _archive(version.last),
        "archives": version.archives,
    }


def _found(found: contents.Found) -> dict[str, Any]:
    return {
        "repository_id": found.repository.id,
        "repository_name": found.repository.name,
        "name": printable_path(found.path.rpartition("/")[2]),
        **path_fields("path", found.path),
        "versions": [_version(each) for each in found.versions],
    }


def _change(change: contents.Change) -> dict[str, Any]:
    shown = change.after or change.before
    return {
        "status": str(change.status),
        **path_fields("path", change.path),
        "type": None if shown is None else str(shown.kind),
        "before": change.before and _entry(change.before),
        "after": change.after and _entry(change.after),
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


def _config() -> Config:
    config: Config = current_app.config["BORGUI"]
    return config
