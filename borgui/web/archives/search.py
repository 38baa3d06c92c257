"""Finding a file in every archive, and its history: all versions of one path."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from flask import Response, redirect, request, url_for
from flask_login import current_user
from sqlalchemy import func, select
from werkzeug.wrappers import Response as AnyResponse

from borgui import contents
from borgui.errors import Conflict, Invalid
from borgui.extensions import own_config, queue_redis
from borgui.index import Kind, Query
from borgui.jobs import history, mounts
from borgui.jobs.job import ACTIVE, Job
from borgui.models import Archive, Repository, Session
from borgui.repositories import load as load_repository
from borgui.web.archives.blueprint import (
    archives,
    at,
    crumbs,
    load,
    page_number,
    place,
)
from borgui.web.layout import page, viewer_zone

PER_PAGE = 50
LONGEST_QUESTION = 1000
AT_ONCE = 30
"""Archives whose contents one press of the button has listed; the newest first."""

TYPES = {
    "file": ("Files", frozenset({Kind.FILE, Kind.HARD_LINK})),
    "folder": ("Folders", frozenset({Kind.FOLDER})),
    "link": ("Links", frozenset({Kind.SYMLINK})),
    "other": (
        "Devices, pipes, sockets",
        frozenset({Kind.FIFO, Kind.BLOCK_DEVICE, Kind.CHARACTER_DEVICE, Kind.SOCKET, Kind.OTHER}),
    ),
}
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"\s*([0-9]{1,12}(?:[.,][0-9]{1,6})?)\s*([kmgt]?)i?b?\s*", re.IGNORECASE)


@dataclass(slots=True)
class Asked:
    """What is looked for, and where; ``errors`` by field."""

    text: str = ""
    repository: Repository | None = None
    archive: Archive | None = None
    kind: str = ""
    query: Query = field(default_factory=Query)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.text or self.is_filtered) and not self.errors

    @property
    def is_filtered(self) -> bool:
        """Whether one of the folded filters is in use."""
        query = self.query
        bounds = (query.smallest, query.largest, query.oldest, query.newest)
        return bool(self.kind or any(each is not None for each in bounds))

    @property
    def within(self) -> str:
        """Where, as the form and the address say it."""
        if self.archive is not None:
            return f"archive-{self.archive.id}"
        return f"repository-{self.repository.id}" if self.repository else ""


@archives.get("/archives")
def index() -> Response:
    """The search, over everything, one repository or one archive."""
    asked = _asked()
    return page(
        "archives/index.html",
        422 if asked.errors else 200,
        asked=asked,
        types=TYPES,
        repositories=_repositories(),
        mounts=len(mounts.active(Session())),
        **_results(asked),
    )


@archives.get("/archives/results")
def results() -> Response:
    """What was found as a partial; it asks again while contents are being listed."""
    asked = _asked()
    if asked.errors:
        raise Invalid(asked.errors)
    return page("archives/_results.html", asked=asked, **_results(asked))


@archives.post("/archives/index")
def list_many() -> AnyResponse:
    """Have the contents of archives listed that are not searched yet; leads back to the search."""
    queue, asked = queue_redis(), _asked()
    for archive in _not_listed(asked)[:AT_ONCE]:
        contents.start_index(Session(), queue, own_config(), archive, user_id=current_user.id)
    path = place(request.form)
    if path and asked.repository:
        return redirect(at("archives.versions", path, repository_id=asked.repository.id), 303)
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name != "page"}
    return redirect(url_for("archives.index", **kept), 303)


@archives.get("/repositories/<int:repository_id>/versions")
def versions(repository_id: int) -> Response:
    """Every version of one path, the newest first."""
    repository = load_repository(Session(), repository_id)
    path = place(request.args)
    if not path:
        raise Invalid({"path": "Name a file or folder of the archives."})
    newest = history.archives(Session(), repository_id, per_page=1).items
    values: dict[str, Any] = {
        "repository": repository,
        "path": path,
        "crumbs": crumbs(path),
        "newest": newest[0] if newest else None,
        "listing": _listing(Asked(repository=repository)),
        "at_once": AT_ONCE,
    }
    try:
        found = contents.history(Session(), own_config(), repository_id, path)
    except Conflict as error:
        if error.code != "index_missing":
            raise
        return page("archives/versions.html", found=None, gone=False, **values)
    last = found.versions[-1].last
    gone = bool(newest) and last.id != newest[0].id and contents.is_indexed(own_config(), newest[0])
    return page("archives/versions.html", found=found, last=last, gone=gone, **values)


# -- what was asked ----------------------------------------------------------------------------


def _asked() -> Asked:
    values = request.args
    asked = Asked(text=values.get("q", "").strip()[:LONGEST_QUESTION].replace("\0", ""))
    kind, _, number = values.get("within", "").partition("-")
    if number.isdecimal() and len(number) < 10:
        if kind == "archive":
            asked.archive = load(int(number))
        elif kind == "repository":
            asked.repository = load_repository(Session(), int(number))
    asked.kind = values.get("type", "") if values.get("type") in TYPES else ""
    asked.query = Query(
        text=asked.text,
        kinds=TYPES[asked.kind][1] if asked.kind else frozenset(),
        smallest=_size(asked, "smallest"),
        largest=_size(asked, "largest"),
        oldest=_day(asked, "newer", time.min),
        newest=_day(asked, "older", time.max),
    )
    return asked


def _size(asked: Asked, name: str) -> int | None:
    text = request.args.get(name, "").strip()
    if not text:
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        asked.errors[name] = "Give a size such as 10 MB or 500 kB."
        return None
    size = float(found[1].replace(",", ".")) * _UNITS[found[2].lower()]
    return min(int(size), 2**62)


def _day(asked: Asked, name: str, at: time) -> datetime | None:
    """The beginning or the end of a day in the viewer's zone."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        return datetime.combine(day, at, viewer_zone()).astimezone(UTC)
    except (ValueError, OverflowError):
        asked.errors[name] = "Give a day as 2026-11-23."
        return None


# -- what is answered --------------------------------------------------------------------------


def _results(asked: Asked) -> dict[str, Any]:
    values: dict[str, Any] = {"found": None, "listing": _listing(asked), "at_once": AT_ONCE}
    if not asked.is_asked:
        return values
    values["found"] = contents.search(
        Session(),
        own_config(),
        asked.query,
        repository_id=asked.repository.id if asked.repository else None,
        archive=asked.archive,
        page=page_number(),
        per_page=PER_PAGE,
    )
    return values


def _listing(asked: Asked) -> int:
    """How many jobs list contents now, where the search looks."""
    wanted = select(func.count(Job.id)).where(Job.kind == "index", Job.status.in_(ACTIVE))
    repository_id = _repository_id(asked)
    if repository_id is not None:
        wanted = wanted.where(Job.repository_id == repository_id)
    return Session.scalar(wanted) or 0


def _repository_id(asked: Asked) -> int | None:
    if asked.archive is not None:
        return asked.archive.repository_id
    return asked.repository.id if asked.repository else None


def _not_listed(asked: Asked) -> list[Archive]:
    """Archives without an index where the search looks, the newest first."""
    if asked.archive is not None:
        return [] if contents.is_indexed(own_config(), asked.archive) else [asked.archive]
    wanted = (
        select(Archive)
        .join(Repository)
        .where(Repository.status == "ready")
        .order_by(Archive.start.desc(), Archive.id.desc())
    )
    if asked.repository is not None:
        wanted = wanted.where(Archive.repository_id == asked.repository.id)
    rows = Session.scalars(wanted).all()
    known = {
        number: contents.indexed_ids(own_config(), number)
        for number in {row.repository_id for row in rows}
    }
    return [row for row in rows if row.borg_id not in known[row.repository_id]]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A repository and its newest archive."""

    repository: Repository
    archives: int
    newest: Archive | None


def _repositories() -> list[Shelf]:
    """Every repository by name, with what there is to browse: two queries."""
    latest = (
        select(
            Archive.id,
            func.row_number()
            .over(
                partition_by=Archive.repository_id,
                order_by=(Archive.start.desc(), Archive.id.desc()),
            )
            .label("place"),
            func.count().over(partition_by=Archive.repository_id).label("total"),
        )
    ).subquery()
    found = Session.execute(
        select(Archive, latest.c.total)
        .join(latest, latest.c.id == Archive.id)
        .where(latest.c.place == 1)
    )
    newest = {archive.repository_id: (archive, total) for archive, total in found}
    rows = Session.scalars(select(Repository).order_by(Repository.name, Repository.id))
    shelves = []
    for row in rows:
        archive, total = newest.get(row.id, (None, 0))
        shelves.append(Shelf(row, total, archive))
    return shelves
