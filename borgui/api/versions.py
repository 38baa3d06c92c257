"""The same file in several archives: the versions of one path, and files found by name."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from borgui import contents
from borgui.api.archive_answers import SearchAnswer, VersionsAnswer
from borgui.api.archives import Inside, archive_fields, entry_fields
from borgui.api.blueprint import api, describes
from borgui.api.incoming import Number, Paged, read_query
from borgui.borg.display import printable_path
from borgui.contents import load_archive
from borgui.errors import Invalid
from borgui.extensions import own_config
from borgui.index import Kind, Query
from borgui.models import Session
from borgui.repositories import load as load_repository
from borgui.validation import LARGEST_ID, Text, path_fields

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


class VersionsQuery(Paged, Inside):
    """A file or a folder of an archive."""


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


@api.get("/archives/<int:archive_id>/versions")
@describes("archive_versions", query=VersionsQuery, answer=VersionsAnswer, tag="archives")
def archive_versions(archive_id: int) -> dict[str, Any]:
    """The history of one path in all archives of this one's repository that have an index."""
    asked = read_query(VersionsQuery)
    path = asked.checked_path()
    if not path:
        raise Invalid({"path": "Give the path of a file or a folder."})
    archive = load_archive(Session(), archive_id)
    found = contents.history(Session(), own_config(), archive.repository_id, path)
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
        own_config(),
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


def _version(version: contents.Version) -> dict[str, Any]:
    return {
        "entry": entry_fields(version.entry),
        "first": archive_fields(version.first),
        "last": archive_fields(version.last),
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
