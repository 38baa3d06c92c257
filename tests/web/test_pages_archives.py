"""Archives as pages: browse, search, versions, compare, restore, delete, rename."""

import base64
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from borgui.borg.listing import Attributes, render
from borgui.config import Config
from borgui.index import IndexWriter
from borgui.jobs import kind_of
from borgui.jobs.job import Job, Status
from borgui.jobs.restore import RestoreJob
from borgui.models import Session, now
from tests.web import world
from tests.web.world import Someone, add_job, add_repository

ODD = os.fsdecode(b"home/anna/m\xfcsic.flac")
LONG = "home/anna/" + "a-very-long-folder-name-that-somebody-chose" * 5 + "/deep.txt"
OLD, NEW = "a" * 64, "b" * 64


def b64(path: str) -> str:
    return base64.b64encode(os.fsencode(path)).decode()


def item(
    kind: str = "-", size: int = 0, mtime: int = 1_700_000_000, source: str = ""
) -> Attributes:
    mode = "rw-r--r--"
    shown = 0 if kind in "dh" else size
    return Attributes(kind, mode, 1000, 1000, "anna", "anna", shown, mtime * 10**6, False, source)


def listed(path: Path, borg_id: str, entries: dict[str, Attributes]) -> None:
    """Index an archive as a worker does."""
    data = "".join(f"{render(each)}\t{name!r}\n" for name, each in entries.items()).encode()
    with IndexWriter(path, borg_id) as writer:
        writer.feed(data)
        writer.finish()


def add_archive(repository: int, borg_id: str, days: int, **values: Any) -> int:
    start = now() - timedelta(days=days)
    facts = {"end": start + timedelta(seconds=72), "nfiles": 5, "original_size": 12_345_678}
    more = {"borg_id": borg_id, "start": start, **facts, **values}
    return world.add_archive(repository, f"anna-{days}", **more)


OLD_CONTENTS = {
    "home": item("d"),
    "home/anna": item("d"),
    "home/anna/letter.odt": item(size=2_000, mtime=1_600_000_000),
    "home/anna/gone.txt": item(size=77),
    "home/anna/docs": item("d"),
    "home/anna/docs/plan [1].txt": item(size=5),
}
NEW_CONTENTS = {
    "home": item("d"),
    "home/anna": item("d"),
    "home/anna/letter.odt": item(size=3_000_000, mtime=1_700_000_000),
    "home/anna/docs": item("d"),
    "home/anna/docs/plan [1].txt": item(size=5),
    "home/anna/new.txt": item(size=9),
    "home/anna/to": item("l", source="/elsewhere"),
    "home/anna/same": item("h", source="home/anna/new.txt"),
    "home/anna/tty": item("c"),
    ODD: item(size=1),
    LONG: item(size=1),
}


class Shelf:
    """A repository with two archives that are listed and a newer one that is not."""

    def __init__(self, config: Config, repository: int) -> None:
        self.repository = repository
        self.index = config.indexes / f"{repository}.db"
        self.old = add_archive(repository, OLD, 20)
        self.new = add_archive(repository, NEW, 2, comment="before the move <b>")
        self.bare = add_archive(repository, "c" * 64, 1)
        listed(self.index, OLD, OLD_CONTENTS)
        listed(self.index, NEW, NEW_CONTENTS)


@pytest.fixture
def shelf(app: Flask, config: Config, repository: int) -> Shelf:
    return Shelf(config, repository)


def names(text: str) -> list[str]:
    """What stands in a table of entries, in order, as it is titled."""
    return re.findall(r'<a class="name path"[^>]* title="([^"]*)"', text)


# -- browse ------------------------------------------------------------------------------------


def test_a_folder_is_shown_in_the_archive_and_alone(operator: Someone, shelf: Shelf) -> None:
    address = f"/archives/{shelf.new}"
    page = operator.browser("GET", f"{address}?path=home/anna").text
    alone = operator.browser("GET", f"{address}/folder?path=home/anna").text
    assert alone.lstrip().startswith('<section class="card" id="folder"')
    assert "<html" not in alone
    shown = names(page)
    assert shown == names(alone)
    assert shown[:2] == ["a-very-long-folder-name-that-somebody-chose" * 5, "docs"]
    assert "m\\xfcsic.flac" in shown
    assert "anna-2" in page
    assert "before the move &lt;b&gt;" in page
    for word in ("hard link", "character device", "odd name", "3.00 MB", "/elsewhere"):
        assert word in page, word
    assert f'value="{b64(ODD)}"' in page


def test_order_and_pages(operator: Someone, config: Config, repository: int) -> None:
    archive = add_archive(repository, OLD, 3)
    many = {f"many/{number:04d}": item(size=number) for number in range(1000)}
    listed(config.indexes / f"{repository}.db", OLD, many)
    first = operator.browser("GET", f"/archives/{archive}?path=many").text
    assert "1\N{EN DASH}200 of 1,000" in first
    assert names(first)[0] == "0000"
    last = operator.browser("GET", f"/archives/{archive}?path=many&page=5").text
    assert names(last)[-1] == "0999"
    largest = operator.browser("GET", f"/archives/{archive}?path=many&sort=size").text
    assert names(largest)[0] == "0999"
    assert 'aria-sort="descending"' in largest
    second = operator.browser("GET", f"/archives/{archive}?path=many&sort=size&page=2").text
    assert names(second)[0] == "0799"
    for strange in ("page=99", "page=-3", "page=x", "sort=nonsense", "page=99999999999999999999"):
        answer = operator.browser("GET", f"/archives/{archive}?path=many&{strange}")
        assert answer.status_code == 200, strange


def test_a_selection_goes_along_without_script(operator: Someone, shelf: Shelf) -> None:
    ticked = [b64(ODD), b64("home/anna/new.txt"), b64("home/anna/new.txt")]
    page = operator.browser(
        "POST",
        f"/archives/{shelf.new}/folder",
        data={"path_b64": ticked, "at_b64": b64("home/anna"), "go": f"folder:{b64('home')}"},
    )
    assert page.status_code == 200
    assert names(page.text) == ["anna"]
    assert "<b>2 selected</b>" in page.text
    kept = re.search(r"data-kept>(.*?)</div>", page.text)
    assert kept
    assert kept[1].count(b64(ODD)) == 1
    back = operator.browser(
        "POST",
        f"/archives/{shelf.new}/folder",
        data={"path_b64": ticked, "go": f"folder:{b64('home/anna')}"},
    ).text
    assert re.search(rf'value="{re.escape(b64(ODD))}"[^>]* checked', back)
    form = operator.browser("POST", f"/archives/{shelf.new}/selection", data={"path_b64": ticked})
    assert "Restore 2 selected things" in form.text


def test_looking_on_without_script_waits_for_nobody_who_writes(
    operator: Someone, shelf: Shelf, config: Config
) -> None:
    ticked = {"path_b64": [b64(ODD)]}
    assert operator.csrf  # signed in
    with closing(sqlite3.connect(config.data_dir / "borgui.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for address in ("folder", "selection"):
            path = f"/archives/{shelf.new}/{address}"
            assert operator.browser("POST", path, data=ticked).status_code == 200


def test_contents_that_are_not_listed(operator: Someone, shelf: Shelf) -> None:
    address = f"/archives/{shelf.bare}"
    page = operator.browser("GET", address).text
    assert "has not been listed yet" in page
    assert "List its contents" in page
    started = operator.browser("POST", f"{address}/index", data={"path_b64": b64("home")})
    assert started.status_code == 303
    assert started.location == f"{address}?path=home"
    job = Session.query(Job).one()
    assert (job.kind, job.options["archive_id"]) == ("index", shelf.bare)
    again = operator.browser("POST", f"{address}/index")
    assert again.status_code == 303
    assert Session.query(Job).count() == 1
    follows = operator.browser("GET", address).text
    assert f'hx-get="/jobs/{job.id}/progress' in follows
    assert "job-changed from:body" in follows
    assert "Look again" in follows
    alone = operator.browser("GET", f"{address}/folder").text
    assert alone.lstrip().startswith('<section class="card" id="folder"')
    Session.query(Job).update({"status": Status.FAILED, "error_message": "Borg said no."})
    Session.commit()
    Session.remove()
    failed = operator.browser("GET", address).text
    assert "Borg said no." in failed
    assert "List its contents" in failed


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("path=home/nowhere", 404),
        ("path=home/anna/new.txt", 404),
        ("path=../etc", 422),
        ("path=/etc/passwd", 422),
        ("path=home/%00", 422),
        ("path=" + "x" * 5000, 422),
        ("path_b64=***", 422),
        ("path_b64=" + b64("home/../../etc"), 422),
        ("path_b64=" + "QUFB" * 2500, 422),
    ],
)
def test_bad_paths(operator: Someone, shelf: Shelf, query: str, status: int) -> None:
    for address in (f"/archives/{shelf.new}", f"/archives/{shelf.new}/folder"):
        assert operator.browser("GET", f"{address}?{query}").status_code == status
    versions = operator.browser("GET", f"/repositories/{shelf.repository}/versions?{query}")
    assert versions.status_code in {status, 200 if "new.txt" in query else status}
    compared = f"/repositories/{shelf.repository}/compare?before={shelf.old}&after={shelf.new}"
    answer = operator.browser("GET", f"{compared}&{query}").status_code
    assert answer in {status, 200 if "new.txt" in query else status}


def test_bad_ids(operator: Someone, admin: Someone, shelf: Shelf) -> None:
    for address in ("/archives/999", "/archives/99999999999", "/archives/999/folder",
                    "/archives/999/restore", "/archives/x", "/repositories/999/versions?path=a",
                    "/repositories/999/compare", "/archives?within=archive-999",
                    "/archives?within=repository-999",
                    f"/repositories/{shelf.repository}/compare?before=999&after=1"):  # fmt: skip
        assert operator.browser("GET", address).status_code == 404, address
    other = add_repository("other")
    foreign = add_archive(other, "d" * 64, 4)
    answer = operator.browser(
        "GET", f"/repositories/{shelf.repository}/compare?before={shelf.old}&after={foreign}"
    )
    assert answer.status_code == 404
    gone = admin.browser(
        "GET", f"/repositories/{shelf.repository}/archives/delete?archive={foreign}"
    )
    assert gone.status_code == 404
    assert operator.browser("GET", "/archives?q=x&within=nonsense-1").status_code == 200


def test_a_damaged_index_is_missing(operator: Someone, shelf: Shelf) -> None:
    shelf.index.write_bytes(b"no database" * 1000)
    page = operator.browser("GET", f"/archives/{shelf.new}")
    assert page.status_code == 200
    assert "has not been listed yet" in page.text
    assert operator.browser("GET", "/archives?q=letter").status_code == 200


# -- search ------------------------------------------------------------------------------------


def test_search_and_its_partial(operator: Someone, shelf: Shelf) -> None:
    page = operator.browser("GET", "/archives?q=gone").text
    alone = operator.browser("GET", "/archives/results?q=gone").text
    assert alone.lstrip().startswith('<div id="results"')
    assert "<html" not in alone
    assert names(page) == names(alone) == ["gone.txt"]
    assert "2 archives are searched; 1 is not listed yet" in page
    assert f"/repositories/{shelf.repository}/versions?path=home/anna/gone.txt" in page
    assert names(operator.browser("GET", "/archives?q=*.odt").text) == ["letter.odt"]
    assert "No name in these archives fits." in operator.browser("GET", "/archives?q=zzz").text
    within = operator.browser("GET", f"/archives?q=gone&within=archive-{shelf.new}").text
    assert "No name in this archive fits." in within
    assert names(operator.browser("GET", "/archives?q=m%FCsic").text) == []
    assert "m\\xfcsic.flac" in operator.browser("GET", "/archives?q=sic.flac").text


def test_search_filters(operator: Someone, shelf: Shelf) -> None:
    links = operator.browser("GET", "/archives?type=link").text
    assert names(links) == ["to"]
    large = operator.browser("GET", "/archives?type=file&smallest=1,5+MB").text
    assert names(large) == ["letter.odt"]
    early = operator.browser("GET", "/archives?q=letter&older=2021-01-01").text
    assert names(early) == ["letter.odt"]
    wrong = operator.browser("GET", "/archives?smallest=lots&newer=yesterday&q=x%22%3E")
    assert wrong.status_code == 422
    assert "Give a size such as" in wrong.text
    assert 'value="lots"' in wrong.text
    assert "&#34;&gt;" in wrong.text
    assert operator.browser("GET", "/archives/results?largest=-1").status_code == 422


def test_what_is_not_listed_can_be_from_the_search(operator: Someone, shelf: Shelf) -> None:
    page = operator.browser("GET", "/archives?q=gone").text
    assert 'action="/archives/index?q=gone"' in page
    nothing = operator.browser("GET", "/archives?q=nowhere").text
    assert 'action="/archives/index?q=nowhere"' in nothing
    assert len(re.findall(r'class="button[^"]* primary"', nothing)) == 1
    started = operator.browser("POST", "/archives/index?q=gone&page=2")
    assert started.status_code == 303
    assert started.location == "/archives?q=gone"
    assert [job.options["archive_id"] for job in Session.query(Job)] == [shelf.bare]
    follows = operator.browser("GET", "/archives/results?q=gone").text
    assert 'hx-trigger="every 3s"' in follows
    assert "Contents are being listed." in follows


def test_first_visit_offers_what_there_is(operator: Someone, shelf: Shelf, app: Flask) -> None:
    add_repository("empty")
    page = operator.browser("GET", "/archives").text
    assert f'href="/archives/{shelf.bare}"' in page
    assert "none yet" in page
    assert 'hx-trigger="every' not in page.partition('id="results"')[2].partition(">")[0]
    assert '<a class="side-link" href="/archives" aria-current="page">' in page


# -- versions and compare ----------------------------------------------------------------------


def test_versions_of_a_file(operator: Someone, shelf: Shelf) -> None:
    address = f"/repositories/{shelf.repository}/versions"
    page = operator.browser("GET", f"{address}?path=home/anna/letter.odt").text
    assert page.index("3.00 MB") < page.index("2.00 kB")
    assert f'href="/archives/{shelf.new}/restore?path=home/anna/letter.odt"' in page
    assert f'href="/archives/{shelf.old}/restore?path=home/anna/letter.odt"' in page
    assert "It is not in the newest archive" not in page  # that one is not listed
    listed(shelf.index, "c" * 64, NEW_CONTENTS)
    gone = operator.browser("GET", f"{address}?path=home/anna/gone.txt").text
    assert "It is not in the newest archive" in gone
    assert re.search(r'was made <time[^>]* tabindex="0"', gone)
    odd = operator.browser("GET", f"{address}?path_b64={b64(ODD)}")
    assert odd.status_code == 200
    assert "m<span" in odd.text
    assert operator.browser("GET", address).status_code == 422


def test_a_version_that_came_back_is_the_newest(operator: Someone, shelf: Shelf) -> None:
    """As after a restore of an old version and the backup that follows."""
    listed(shelf.index, "c" * 64, OLD_CONTENTS)
    address = f"/repositories/{shelf.repository}/versions?path=home/anna/letter.odt"
    page = operator.browser("GET", address).text
    assert page.index("2.00 kB") < page.index("3.00 MB")
    primary = re.findall(r'class="button slim primary" href="([^"]*)"', page)
    assert primary == [f"/archives/{shelf.bare}/restore?path=home/anna/letter.odt"]
    found = operator.browser("GET", "/archives?q=letter.odt").text
    assert "2.00 kB" in found
    assert "3.00 MB" not in found


def test_versions_follow_what_is_being_listed(operator: Someone, shelf: Shelf) -> None:
    address = f"/repositories/{shelf.repository}/versions?path=home/anna/letter.odt"
    page = operator.browser("GET", address).text
    assert "1 archive is not listed yet" in page
    started = operator.browser(
        "POST",
        f"/archives/index?within=repository-{shelf.repository}",
        data={"path_b64": b64("home/anna/letter.odt")},
    )
    assert started.location == address
    follows = operator.browser("GET", address).text
    assert 'hx-trigger="every 3s"' in follows
    assert Session.query(Job).one().kind == "index"


def test_versions_before_anything_is_listed(operator: Someone, repository: int) -> None:
    archive = add_archive(repository, OLD, 3)
    page = operator.browser("GET", f"/repositories/{repository}/versions?path=a")
    assert page.status_code == 200
    assert f'href="/archives/{archive}"' in page.text


def test_compare(operator: Someone, shelf: Shelf) -> None:
    address = f"/repositories/{shelf.repository}/compare"
    chosen = operator.browser("GET", f"{address}?archive={shelf.new}&archive={shelf.old}")
    assert chosen.status_code == 303
    assert chosen.location == f"{address}?before={shelf.old}&after={shelf.new}"
    page = operator.browser("GET", chosen.location).text
    assert names(page) == ["home"]
    assert "modified" in page
    inside = operator.browser("GET", f"{chosen.location}&path=home/anna").text
    part = operator.browser(
        "GET", f"{address}/changes?before={shelf.old}&after={shelf.new}&path=home/anna"
    ).text
    assert part.lstrip().startswith('<section class="card" id="changes"')
    assert names(inside) == names(part)
    assert "gone.txt" in names(part)
    assert f'href="/archives/{shelf.old}/restore?path=home/anna/gone.txt"' in part
    assert "docs" not in names(part)
    one = operator.browser("GET", f"{address}?archive={shelf.new}").text
    assert "Tick two archives" in one
    bare = operator.browser("GET", f"{address}?before={shelf.new}&after={shelf.bare}").text
    assert "has not been listed yet" in bare


# -- restore -----------------------------------------------------------------------------------


def test_the_restore_form_says_what_and_where(operator: Someone, shelf: Shelf) -> None:
    page = operator.browser("GET", f"/archives/{shelf.new}/restore?path=home/anna/letter.odt").text
    assert "Restore letter.odt" in page
    assert "3.00 MB" in page
    assert 'name="overwrite" value="1" checked' not in page
    assert '<option value="2" selected>…/letter.odt</option>' in page
    assert '<option value="0">…/home/anna/letter.odt</option>' in page
    whole = operator.browser("GET", f"/archives/{shelf.bare}/restore").text
    assert "Restore the whole archive" in whole
    folder = operator.browser(
        "POST", f"/archives/{shelf.new}/selection", data={"at_b64": b64("home/anna")}
    ).text
    assert "Restore anna" in folder


def test_download_of_a_file_and_of_several(operator: Someone, shelf: Shelf) -> None:
    address = f"/archives/{shelf.new}/selection"
    one = {"path_b64": [b64("home/anna/letter.odt")], "act": "download", "format": ""}
    assert operator.browser("POST", address, data=one).status_code == 303
    two = {**one, "path_b64": [b64("home/anna/letter.odt"), b64(ODD)]}
    answer = operator.browser("POST", address, data=two)
    jobs = Session.query(Job).order_by(Job.id).all()
    assert answer.location == f"/jobs/{jobs[1].id}"
    assert [(job.kind, job.options["format"]) for job in jobs] == [
        ("download", "file"),
        ("download", "zip"),
    ]
    for form in ("rar", "file"):
        assert operator.browser("POST", address, data={**two, "format": form}).status_code == 422


@pytest.mark.parametrize("form", ["zip", "tar", "tar.zst"])
@pytest.mark.parametrize("path", ["home/anna/letter.odt", "home/anna"])
def test_a_download_comes_in_the_form_that_was_chosen(
    operator: Someone, shelf: Shelf, path: str, form: str
) -> None:
    data = {"path_b64": [b64(path)], "act": "download", "format": form}
    address = f"/archives/{shelf.new}/selection"
    assert operator.browser("POST", address, data=data).status_code == 303
    job = Session.query(Job).one()
    assert job.options["format"] == form


def test_the_pages_offer_what_a_download_can_be(operator: Someone, shelf: Shelf) -> None:
    def offered(address: str) -> list[list[str]]:
        selects = re.findall(
            r'<select name="format".*?</select>', operator.browser("GET", address).text, re.DOTALL
        )
        return [re.findall(r'<option value="([^"]*)"', each) for each in selects]

    several = ["zip", "tar", "tar.zst"]
    versions = f"/repositories/{shelf.repository}/versions"
    assert offered(f"/archives/{shelf.new}") == [["", *several]]
    assert offered(f"{versions}?path=home/anna/letter.odt") == [["", *several]] * 2
    assert set(map(tuple, offered(f"{versions}?path=home/anna"))) == {tuple(several)}


def test_restore_starts_one_job(operator: Someone, shelf: Shelf) -> None:
    paths = ["home/anna/docs/plan [1].txt", ODD]
    form = {
        "path_b64": [b64(path) for path in paths],
        "to": "folder",
        "destination": "/srv/back ",
        "strip_components": "2",
        "once": "one",
    }
    answers = [
        operator.browser("POST", f"/archives/{shelf.new}/restore", data=form) for _ in range(2)
    ]
    job = Session.query(RestoreJob).one()
    assert {each.location for each in answers} == {f"/jobs/{job.id}"}
    assert {each.status_code for each in answers} == {303}
    assert job.paths == paths
    assert job.archive_id == shelf.new
    assert job.destination == "/srv/back "
    assert (job.strip_components, job.overwrite, job.dry_run) == (2, False, False)
    assert operator.browser("GET", f"/jobs/{job.id}").status_code == 200


def test_restore_to_its_place_takes_nothing_off(operator: Someone, shelf: Shelf) -> None:
    form = {
        "path_b64": [b64("home/anna/new.txt")],
        "to": "original",
        "destination": "/tmp/typed-before",
        "strip_components": "2",
        "overwrite": "1",
    }
    assert operator.browser("POST", f"/archives/{shelf.new}/restore", data=form).status_code == 303
    job = Session.query(RestoreJob).one()
    assert (job.destination, job.strip_components, job.overwrite) == ("/", 0, True)


def test_a_fault_of_the_restore_loses_nothing(
    operator: Someone, shelf: Shelf, config: Config
) -> None:
    form = {
        "path_b64": [b64(ODD)],
        "to": "folder",
        "destination": "relative/<b>",
        "overwrite": "1",
        "dry_run": "1",
    }
    answer = operator.browser("POST", f"/archives/{shelf.new}/restore", data=form)
    assert answer.status_code == 422
    assert 'href="#destination"' in answer.text
    assert 'value="relative/&lt;b&gt;"' in answer.text
    assert 'value="folder" checked' in answer.text
    assert 'name="overwrite" value="1" checked' in answer.text
    assert b64(ODD) in answer.text
    own = {**form, "destination": str(config.data_dir / "x")}
    refused = operator.browser("POST", f"/archives/{shelf.new}/restore", data=own)
    assert refused.status_code == 422
    assert "own data folder" in refused.text
    empty = operator.browser(
        "POST", f"/archives/{shelf.new}/restore", data={**form, "destination": ""}
    )
    assert empty.status_code == 422
    for bad in ("***", b64("../x"), b64("/etc")):
        odd = {**form, "destination": "/srv/x", "path_b64": [bad]}
        assert (
            operator.browser("POST", f"/archives/{shelf.new}/restore", data=odd).status_code == 422
        )
    assert Session.query(RestoreJob).count() == 0


def test_the_jobs_page_tells_what_a_restore_did(
    operator: Someone, viewer: Someone, shelf: Shelf
) -> None:
    job = add_job(
        RestoreJob,
        repository_id=shelf.repository,
        status=Status.CANCELLED,
        archive_id=shelf.new,
        archive="anna-2",
        destination="/srv/back",
        paths=["home/anna", ODD],
        overwrite=True,
        nfiles=12,
        restored_size=3_456_789,
        left_alone_count=700,
        left_alone=["/srv/back/kept.txt"],
        unmatched=["home/nowhere"],
        partial_file="/srv/back/half.bin",
    )
    text = operator.browser("GET", f"/jobs/{job}").text
    for word in ("half.bin", "may be incomplete", "kept.txt", "(700)", "3.46 MB", "nowhere"):
        assert word in text, word
    hidden = viewer.browser("GET", f"/jobs/{job}").text
    for word in ("half.bin", "kept.txt", "/srv/back", "nowhere"):
        assert word not in hidden, word


# -- delete and rename -------------------------------------------------------------------------


def test_delete_needs_the_name(admin: Someone, shelf: Shelf) -> None:
    address = f"/repositories/{shelf.repository}/archives/delete"
    one = admin.browser("GET", f"{address}?archive={shelf.old}").text
    assert 'data-must-be="anna-20"' in one
    many = admin.browser("GET", f"{address}?archive={shelf.old}&archive={shelf.new}").text
    assert 'data-must-be="photos"' in many
    assert "anna-20" in many
    assert "No archive was ticked." in admin.browser("GET", address).text
    wrong = admin.browser("POST", address, data={"archive": shelf.old, "confirm": "photos"})
    assert wrong.status_code == 422
    assert Session.query(Job).count() == 0
    right = admin.browser("POST", address, data={"archive": shelf.old, "confirm": "anna-20"})
    assert right.status_code == 303
    job = Session.query(Job).one()
    assert job.kind == "delete"
    assert job.options["archive_ids"] == [shelf.old]


def test_rename_and_comment(admin: Someone, shelf: Shelf) -> None:
    address = f"/archives/{shelf.old}/rename"
    assert 'value="anna-20"' in admin.browser("GET", address).text
    same = admin.browser("POST", address, data={"name": "anna-20", "comment": ""})
    assert same.location == f"/archives/{shelf.old}"
    taken = admin.browser("POST", address, data={"name": "anna-2", "comment": "x"})
    assert taken.status_code == 422
    assert 'value="anna-2"' in taken.text
    done = admin.browser("POST", address, data={"name": "kept", "comment": "one\r\ntwo"})
    assert done.status_code == 303
    job = Session.query(Job).one()
    assert job.options["name"] == "kept"
    assert job.options["comment"] == "one\ntwo"


def test_the_archives_tab_leads_to_them(admin: Someone, viewer: Someone, shelf: Shelf) -> None:
    address = f"/repositories/{shelf.repository}/archives"
    page = admin.browser("GET", address).text
    assert f'href="/archives/{shelf.old}"' in page
    assert f'name="archive" value="{shelf.old}"' in page
    assert f'formaction="{address}/delete"' in page
    plain = viewer.browser("GET", address).text
    assert "anna-20" in plain
    assert "/archives/" not in plain.replace("/archives/delete", "")
    assert 'name="archive"' not in plain


# -- everybody ---------------------------------------------------------------------------------


def test_a_viewer_sees_no_file_names(viewer: Someone, shelf: Shelf) -> None:
    for address in ("/archives", "/archives/results?q=a", f"/archives/{shelf.new}",
                    f"/archives/{shelf.new}/folder", f"/archives/{shelf.new}/restore",
                    f"/repositories/{shelf.repository}/versions?path=home",
                    f"/repositories/{shelf.repository}/compare"):  # fmt: skip
        assert viewer.browser("GET", address).status_code == 403, address
    for address in (f"/archives/{shelf.new}/restore", f"/archives/{shelf.new}/index",
                    f"/archives/{shelf.new}/selection", "/archives/index"):  # fmt: skip
        assert viewer.browser("POST", address).status_code == 403, address
    assert 'href="/archives"' not in viewer.browser("GET", "/").text


def test_an_operator_changes_no_archive(operator: Someone, shelf: Shelf) -> None:
    for address in (f"/repositories/{shelf.repository}/archives/delete",
                    f"/archives/{shelf.new}/rename"):  # fmt: skip
        assert operator.browser("GET", address).status_code == 403
        assert operator.browser("POST", address).status_code == 403
    page = operator.browser("GET", f"/archives/{shelf.new}").text
    assert "/rename" not in page
    assert "archives/delete" not in page


def test_no_archive_page_needs_what_the_policy_forbids(admin: Someone, shelf: Shelf) -> None:
    compared = f"/repositories/{shelf.repository}/compare?before={shelf.old}&after={shelf.new}"
    for path in ("/archives?q=a", f"/archives/{shelf.new}?path=home/anna",
                 f"/archives/{shelf.bare}", f"/archives/{shelf.new}/restore",
                 f"/archives/{shelf.new}/rename",
                 f"/repositories/{shelf.repository}/archives",
                 f"/repositories/{shelf.repository}/archives/delete?archive={shelf.old}",
                 f"/repositories/{shelf.repository}/versions?path=home/anna/letter.odt",
                 compared):  # fmt: skip
        text = admin.browser("GET", path).text
        assert not re.search(r"\sstyle=|\son[a-z]+=|hx-on|<style|javascript:", text), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), path


def test_the_kinds_these_pages_start_are_there() -> None:
    for name in ("index", "restore", "delete", "rename"):
        assert kind_of(name).name == name


def test_not_signed_in(app: Flask, someone: Callable[[str], Someone]) -> None:
    answer = app.test_client().get("/archives?q=x")
    assert answer.status_code == 303
    assert "/login" in answer.location
