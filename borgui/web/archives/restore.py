"""The form that puts files back: what, from which archive, and where to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from borgui import contents
from borgui.borg.selection import Selected, common_folder, stripped
from borgui.errors import Conflict, Invalid, NotFound
from borgui.extensions import own_config, queue_redis
from borgui.index import Entry, Kind
from borgui.models import Archive, Session, read_settings
from borgui.models.session import begin_reading
from borgui.roots import is_narrowed
from borgui.security.access import require
from borgui.security.permissions import Permission
from borgui.validation import to_b64
from borgui.web import downloads
from borgui.web.archives.blueprint import archives, load, place, selection
from borgui.web.forms import line, ticked
from borgui.web.layout import page
from borgui.web.starting import start

NAMED = 12
"""Selected things that the form names one by one."""
MEASURED = 300
"""Selected things whose sizes are added up; beyond, the sum is not shown."""

LABELS = {
    "destination": "Folder",
    "strip_components": "How much of the paths is kept",
    "paths": "What is restored",
}


@dataclass(frozen=True, slots=True)
class What:
    """What is to be restored. ``size`` and ``files`` in all, None where not known."""

    paths: list[str]
    entries: list[Entry | None]
    size: int | None
    files: int | None

    @property
    def example(self) -> str:
        """The first of it."""
        return self.paths[0] if self.paths else ""

    @property
    def common(self) -> str:
        """The folder that all of it lies in."""
        return common_folder([Selected(path) for path in self.paths], 0)

    @property
    def keeps(self) -> list[tuple[int, str]]:
        """How many leading parts can be taken off, and where the first thing comes to lie."""
        depth = len([part for part in self.common.split("/") if part])
        return [(count, stripped(self.example, count)) for count in range(depth, -1, -1)]


@archives.get("/archives/<int:archive_id>/restore")
def restore_form(archive_id: int) -> Response:
    """The form for what the address names; for the whole archive where it names nothing."""
    archive = load(archive_id)
    paths = selection(request.args)
    if not paths and (path := place(request.args)):
        paths = [path]
    return _form(archive, paths, {}, {}, 200)


@archives.post("/archives/<int:archive_id>/selection")
def act_on_selection(archive_id: int) -> AnyResponse:
    """The form for what was ticked; the folder itself where nothing was."""
    paths = selection(request.form)
    if not paths and (here := request.form.get("at_b64")):
        paths = selection(MultiDict({"path_b64": here}))
    if request.form.get("act") == "download":
        return _download(archive_id, paths)
    require(Permission.RUN)
    begin_reading()  # a POST for its length alone: the database's write lock is not for it
    return _form(load(archive_id), paths, {}, {}, 200)


@archives.post("/archives/<int:archive_id>/restore")
def restore(archive_id: int) -> AnyResponse:
    """Start it; leads to the job. A fault is shown at its field, and nothing typed is lost."""
    queue, archive = queue_redis(), load(archive_id)
    paths = selection(request.form)
    try:
        values = _values(paths)
        job = start(queue, "restore", archive.repository, values, archive_id=archive.id)
    except Invalid as error:
        Session.rollback()
        return _form(load(archive_id), paths, _given(), _by_field(error.fields), 422)
    return redirect(url_for("jobs.show", job_id=job.id), 303)


def _values(paths: Sequence[str]) -> dict[str, Any]:
    """What the kind takes, from the form."""
    values: dict[str, Any] = {
        "paths_b64": [to_b64(path) for path in paths],
        "overwrite": ticked("overwrite"),
        "dry_run": ticked("dry_run"),
        "ignore_free_space": ticked("ignore_free_space"),
    }
    if request.form.get("to") != "folder":
        return {**values, "destination": "/", "strip_components": 0}
    odd = request.form.get("destination_b64")
    if odd and not line("destination"):
        values["destination_b64"] = odd
    else:
        # not stripped at its end: a folder's name may end with a blank
        values["destination"] = request.form.get("destination", "").strip("\r\n") or None
    count = line("strip_components")
    values["strip_components"] = int(count) if count.isdecimal() and len(count) < 5 else 0
    return values


def _given() -> dict[str, Any]:
    return {
        "to": request.form.get("to", ""),
        "destination": request.form.get("destination", ""),
        "destination_b64": request.form.get("destination_b64", ""),
        "strip_components": line("strip_components"),
        "overwrite": ticked("overwrite"),
        "dry_run": ticked("dry_run"),
        "ignore_free_space": ticked("ignore_free_space"),
    }


def _by_field(fields: dict[str, str]) -> dict[str, str]:
    """The faults by the form's own fields."""
    names = {"destination_b64": "destination", "paths_b64": "paths"}
    return {names.get(name, name): text for name, text in fields.items()}


def _form(
    archive: Archive,
    paths: Sequence[str],
    given: dict[str, Any],
    errors: dict[str, str],
    status: int,
) -> Response:
    what = measured(archive, paths)
    roots = read_settings(Session()).restore_roots
    return page(
        "archives/restore.html",
        status,
        archive=archive,
        repository=archive.repository,
        what=what,
        named=NAMED,
        form={"to": "original", "strip_components": str(what.keeps[0][0]), **given},
        roots=roots if is_narrowed(roots) else (),
        errors=errors,
        labels=LABELS,
    )


def measured(archive: Archive, paths: Sequence[str]) -> What:
    """What ``paths`` are in the archive; unknown as far as its contents are not listed."""
    if not paths:
        return What([], [], archive.original_size, archive.nfiles)
    known: list[Entry] = []
    try:
        with contents.open_index(own_config(), archive.repository_id) as opened:
            known.extend(opened.entry(archive.borg_id, path) for path in paths[:MEASURED])
    except (Conflict, NotFound):
        known = []
    entries: list[Entry | None] = [*known, *([None] * (len(paths) - len(known)))]
    if len(known) < len(paths):
        return What(list(paths), entries, None, None)
    size = sum(each.size or 0 for each in known)
    files = sum(1 if each.files is None else each.files for each in known)
    return What(list(paths), entries, size, files)


def _download(archive_id: int, paths: Sequence[str]) -> AnyResponse:
    """Prepare a download of it in the form chosen; leads to the job that does.

    Where none is, a single file comes as itself and all else as zip.
    """
    queue, archive = queue_redis(), load(archive_id)
    form = line("format")
    if not form:
        entries = measured(archive, paths).entries
        is_file = len(entries) == 1 and entries[0] is not None and entries[0].kind is Kind.FILE
        form = "file" if is_file else "zip"
    job = downloads.begin(queue, archive, paths, form)
    return redirect(url_for("jobs.show", job_id=job.id), 303)
