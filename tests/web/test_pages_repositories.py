"""Repositories, dashboard, settings and notices as pages."""

import base64
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from html import unescape
from typing import Any

from redis import Redis

from borgui import live
from borgui.jobs import dashboard
from borgui.jobs.archives import last_good
from borgui.jobs.backup import expected
from borgui.jobs.job import Job, Status
from borgui.models import Archive, Repository, Session, Settings, now, read_settings
from borgui.web.pages import PAGES
from tests.web.test_api_archives import add_archive
from tests.web.world import Someone, add_job, add_repository

ODD = os.fsdecode(b"/srv/m\xfcsic")
FORM = {
    "mode": "create",
    "name": "docs",
    "path": "/srv/repositories/docs",
    "encryption": "repokey-blake2",
    "passphrase": "pass phrase",
    "passphrase_again": "pass phrase",
    "source_directories": "/home/anna\r\n/home/with space ",
    "compression": "zstd,3",
    "archive_name_template": "{hostname}-{now}",
}


def sent(person: Someone, address: str, /, **changes: Any) -> Any:
    form = {name: value for name, value in {**FORM, **changes}.items() if value is not None}
    return person.browser("POST", address, data=form)


def test_first_use_leads_to_adding_one(admin: Someone, viewer: Someone) -> None:
    assert 'href="/repositories/new"' in admin.browser("GET", "/").text
    text = viewer.browser("GET", "/").text
    assert "An admin has to add the first one." in text
    assert "/repositories/new" not in text


def test_add_by_form_at_a_path_that_cannot_be_typed(admin: Someone) -> None:
    """What was ticked is kept through a fault; what is typed counts more."""
    ticked = base64.b64encode(os.fsencode(ODD)).decode()
    answer = sent(admin, "/repositories/new", path="", path_b64=ticked, passphrase_again="other")
    assert answer.status_code == 422
    assert re.search(rf'name="path_b64" value="{re.escape(ticked)}" checked', answer.text)
    assert "/srv/m<span" in answer.text
    assert sent(admin, "/repositories/new", path="", path_b64=ticked).status_code == 303
    assert Session.query(Repository).one().path == ODD
    typed = sent(admin, "/repositories/new", name="typed", path_b64=ticked)
    assert typed.status_code == 303, typed.text
    paths = {each.path for each in Session.query(Repository)}
    assert paths == {ODD, FORM["path"]}


def test_add_by_form(admin: Someone) -> None:
    answer = sent(admin, "/repositories/new", once="x",
                  source_directories_b64=base64.b64encode(os.fsencode(ODD)).decode())  # fmt: skip
    assert answer.status_code == 303, answer.text
    row = Session.query(Repository).one()
    assert answer.headers["Location"] == f"/repositories/{row.id}"
    assert row.source_directories == ["/home/anna", "/home/with space ", ODD]
    assert row.passphrase == "pass phrase"
    assert row.compression == "zstd,3"
    again = sent(admin, "/repositories/new", once="x")
    assert again.headers["Location"] == answer.headers["Location"]


def test_nothing_typed_is_lost_but_the_passphrase(admin: Someone) -> None:
    answer = sent(
        admin,
        "/repositories/new",
        path="relative",
        exclude_patterns="*/.cache",
        one_file_system="1",
        compression="zstd,99",
        source_directories_b64=base64.b64encode(os.fsencode(ODD)).decode(),
    )
    text = answer.text
    assert answer.status_code == 422
    assert 'href="#compression"' in text
    assert re.search(r'id="compression"[^>]*value="zstd,99"[^>]*aria-invalid="true"', text)
    assert "/home/anna\n/home/with space " in text
    assert "*/.cache" in text
    assert 'name="one_file_system" value="1" checked' in text
    assert 'value="L3NydlwvbQ' not in text
    assert base64.b64encode(os.fsencode(ODD)).decode() in text
    assert "m<span" in text
    assert "pass phrase" not in text


def test_faults_of_the_domain_come_by_field(admin: Someone) -> None:
    add_repository("taken")
    assert 'href="#name"' in sent(admin, "/repositories/new", name="taken").text
    differ = sent(admin, "/repositories/new", passphrase_again="other")
    assert "The two passphrases differ." in differ.text
    missing = sent(admin, "/repositories/new", passphrase="", passphrase_again="")
    assert 'href="#passphrase"' in missing.text
    assert Session.query(Repository).count() == 1


def test_import_by_form(admin: Someone) -> None:
    answer = sent(
        admin,
        "/repositories/new",
        mode="import",
        encryption="none",
        passphrase_again=None,
        source_directories="",
        key="BORG_KEY x\r\ny\r\n",
    )
    assert answer.status_code == 303, answer.text
    row = Session.query(Repository).one()
    assert row.mode == "import"
    assert row.encryption is None
    assert row.key == "BORG_KEY x\ny"


def test_settings_keep_the_passphrase_and_odd_folders(admin: Someone) -> None:
    number = add_repository("photos", passphrase="keep", source_directories=["/home/a", ODD])
    page = admin.browser("GET", f"/repositories/{number}/settings").text
    assert "keep" not in re.sub(r"[Kk]eep (it|the lock)", "", page)
    answer = sent(
        admin,
        f"/repositories/{number}/settings",
        name="pictures",
        passphrase="",
        source_directories="/home/a",
        source_directories_b64=base64.b64encode(os.fsencode(ODD)).decode(),
    )
    assert answer.status_code == 303
    row = Session.get(Repository, number)
    assert row is not None
    assert (row.name, row.passphrase) == ("pictures", "keep")
    assert row.source_directories == ["/home/a", ODD]
    wrong = sent(admin, f"/repositories/{number}/settings", extra_flags="--nonsense")
    assert wrong.status_code == 422


def test_lines_of_the_form_come_back_as_they_were(admin: Someone) -> None:
    """What Unicode, but no form, takes for the end of a line is part of a name."""
    lines = {
        "source_directories": ["/a\u2028b", "/c\u2029 "],
        "exclude_patterns": ["a\x85b", " c\u2028d", "e\x0bf\x0cg", "h\x1ci\x07"],
    }
    address = f"/repositories/{add_repository('photos', **lines)}/settings"
    page = admin.browser("GET", address).text
    areas = re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    shown = {name: unescape(text).replace("\n", "\r\n") for name, text in areas}
    assert sent(admin, address, name="photos", passphrase="", **shown).status_code == 303
    row = Session.query(Repository).one()
    assert {name: getattr(row, name) for name in lines} == lines


def test_start_is_one_job_a_form(operator: Someone, repository: int) -> None:
    path = f"/repositories/{repository}/backup"
    answers = [operator.browser("POST", path, data={"once": "t"}) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert Session.query(Job).count() == 1
    other = operator.browser("POST", f"/repositories/{repository}/refresh")
    assert other.status_code == 303
    assert operator.browser("POST", f"/repositories/{repository}/break-lock").status_code == 403


def test_danger_needs_the_name(admin: Someone, repository: int) -> None:
    path = f"/repositories/{repository}/forget"
    assert admin.browser("POST", path, data={"confirm": "wrong"}).status_code == 422
    assert Session.get(Repository, repository) is not None
    Session.remove()
    job = admin.browser("POST", path, data={"confirm": "photos", "delete_data": "1"})
    assert "/jobs/" in job.headers["Location"]
    busy = admin.browser("POST", path, data={"confirm": "photos"})
    assert busy.status_code == 409
    Session.query(Job).delete()
    Session.commit()
    Session.remove()
    gone = admin.browser("POST", path, data={"confirm": "photos"})
    assert gone.status_code == 303
    assert Session.get(Repository, repository) is None


def test_danger_is_asked_on_a_page_too(admin: Someone, repository: int) -> None:
    """Without JavaScript no dialog opens: the buttons are links to pages that ask the same."""
    settings = admin.browser("GET", f"/repositories/{repository}/settings").text
    for address, says, target in (
        ("break-lock", "can damage the archives", "break-lock"),
        ("forget", "The archives stay on disk", "forget"),
        ("forget?delete_data=1", "will be gone", "forget"),
    ):
        assert f'href="/repositories/{repository}/{address}"' in settings
        asked = admin.browser("GET", f"/repositories/{repository}/{address}").text
        assert says in asked
        assert settings.count(says) == 1
        assert f'action="/repositories/{repository}/{target}"' in asked
        assert ('name="delete_data"' in asked) == ("delete" in address)
    for form, says in (({}, "Take it off"), ({"delete_data": "1"}, "Delete every archive")):
        path = f"/repositories/{repository}/forget"
        wrong = admin.browser("POST", path, data={"confirm": "wrong", **form})
        assert wrong.status_code == 422
        assert "This is not the repository&#39;s name" in wrong.text
        assert says in wrong.text


def test_archives_are_listed_a_page_at_a_time(admin: Someone, repository: int) -> None:
    for number in range(60):
        Session.add(
            Archive(
                repository_id=repository,
                name=f"<a>\x1b{number}",
                borg_id=str(number),
                start=now() - timedelta(hours=number),
                original_size=1_234_567_890,
            )
        )
    Session.commit()
    Session.remove()
    text = admin.browser("GET", f"/repositories/{repository}/archives").text
    assert "1\N{EN DASH}50 of 60" in text
    assert '<span title="1,234,567,890 bytes">1.23 GB</span>' in text
    assert "&lt;a&gt;<span" in text


def test_dashboard_says_the_state_first(admin: Someone, repository: int) -> None:
    assert "photos has no backup yet" in admin.browser("GET", "/").text
    done = add_job(repository_id=repository, status=Status.COMPLETED, completed_at=now())
    Session.add(Archive(repository_id=repository, job_id=done, name="a", borg_id="1",
                        start=now() - timedelta(hours=3)))  # fmt: skip
    Session.commit()
    Session.remove()
    text = admin.browser("GET", "/").text
    assert "No failed job needs a look." in text
    assert "The repository has a backup" in text
    assert "3 h ago" in text
    add_job(repository_id=repository, status=Status.FAILED, error_message="It broke.")
    bad = admin.browser("GET", "/").text
    assert "1 repository needs a look" in bad
    assert "It broke." in bad
    add_job(repository_id=repository, status=Status.CANCELLED)
    assert "It broke." in admin.browser("GET", "/").text
    add_job(repository_id=repository, status=Status.COMPLETED)
    assert "It broke." not in admin.browser("GET", "/").text


def test_dashboard_asks_as_often_for_many_as_for_one(
    admin: Someone, repository: int, statements: list[str]
) -> None:
    def asked() -> int:
        statements.clear()
        assert admin.browser("GET", "/").status_code == 200
        return len(statements)

    add_job(repository_id=repository, status=Status.FAILED)
    few = asked()
    for number in range(15):
        other = add_repository(f"r{number}")
        for status in (Status.FAILED, Status.PENDING):
            add_job(repository_id=other, status=status)
    assert 0 < asked() <= few


def test_overview_partial(admin: Someone, repository: int) -> None:
    page = admin.browser("GET", "/").text
    alone = admin.browser("GET", "/dashboard/overview", headers={"HX-Request": "true"}).text
    assert alone.lstrip().startswith('<div class="column" id="overview"')
    assert alone.lstrip()[:60] in page
    assert "<html" not in alone


def test_notices_name_what_is_missing(admin: Someone, redis: Redis) -> None:
    def bar() -> str:
        text = admin.browser("GET", "/notices").text
        assert text.lstrip().startswith('<div id="notices"')
        return text

    assert "Control does not answer." in bar()
    assert "every 5s" in bar()
    live.beat(redis, "control", 20)
    live.beat(redis, "scheduler", 20)
    assert "No worker answers." in bar()
    machine = {"workers": 2, "borg_error": "borg is not installed."}
    redis.hset(live.machine_key("local"), mapping=live.encode(machine))
    assert "borg is not installed." in bar()
    redis.hset(live.machine_key("local"), "borg_error", "")
    assert "notice is" not in bar()
    assert "every 30s" in bar()


def test_settings_form(admin: Someone) -> None:
    form = {
        **{name: str(value) for name, value in asdict(Settings()).items() if value is not True},
        "timezone": "Europe/Berlin",
        "log_retention_jobs": "50",
        "retry_limit": "0",
        "retry_delay_seconds": "5",
        "backup_time_limit_hours": "12",
        "backup_limit": "1",
        "auto_index_idle_seconds": "30",
        "source_roots": "/",
        "restore_roots": "/",
    }
    assert admin.browser("POST", "/settings", data=form).status_code == 303
    assert read_settings(Session()).auto_index is False
    assert read_settings(Session()).timezone == "Europe/Berlin"
    assert "Saved." in admin.browser("GET", "/settings").text
    wrong = admin.browser("POST", "/settings", data={**form, "timezone": "Nowhere",
                                                     "retry_limit": "-1"})  # fmt: skip
    assert wrong.status_code == 422
    assert 'value="Nowhere"' in wrong.text
    assert 'href="#retry_limit"' in wrong.text


def test_theme_and_zone_come_from_cookies_that_are_checked(admin: Someone, repository: int) -> None:
    job = add_job(repository_id=repository, status=Status.COMPLETED, completed_at=now())
    assert " UTC" in admin.browser("GET", f"/jobs/{job}").text
    admin.client.set_cookie("borgui_zone", "Asia%2FTokyo")
    admin.client.set_cookie("borgui_theme", "dark")
    text = admin.browser("GET", f"/jobs/{job}").text
    assert " JST" in text
    assert 'data-theme="dark"' in text
    for nonsense in ("..%2F..%2Fetc%2Fpasswd", "%00", "x" * 500, "%22%3E"):
        admin.client.set_cookie("borgui_zone", nonsense)
        admin.client.set_cookie("borgui_theme", nonsense)
        text = admin.browser("GET", f"/jobs/{job}").text
        assert " UTC" in text
        assert "data-theme" not in text


def test_no_page_needs_what_the_policy_forbids(
    admin: Someone, repository: int, someone: Callable[[str], Someone]
) -> None:
    job = add_job(repository_id=repository, status=Status.FAILED, error_message="x")
    for path in ("/", "/jobs", f"/jobs/{job}", "/repositories", "/repositories/new", "/settings",
                 "/account/tokens", "/nowhere", f"/repositories/{repository}",
                 f"/repositories/{repository}/settings"):  # fmt: skip
        text = admin.browser("GET", path).text
        assert not re.search(r"\sstyle=|\son[a-z]+=|hx-on|<style|javascript:", text), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), path
        assert 'hx-trigger="[' not in text


def test_every_area_is_registered() -> None:
    names = [blueprint.name for blueprint in PAGES]
    assert sorted(set(names)) == sorted(names)


def test_the_last_good_backup_is_whole_and_not_empty(admin: Someone, repository: int) -> None:
    """And the measure of the next one. Newer: the archive of a backup that failed, one whose job
    is forgotten, both empty, and two that borg has not finished."""
    done, failed = (
        add_job(repository_id=repository, status=status, sources_digest="same")
        for status in (Status.COMPLETED, Status.FAILED)
    )
    archives = (
        ("good", done, 8),
        ("empty", failed, 0),
        ("forgotten", None, 0),
        ("a.checkpoint", None, 7),
        ("a.checkpoint.1", None, None),
    )
    assert last_good(Session(), repository) is None
    for day, (name, job, nfiles) in enumerate(archives, start=1):
        add_archive(repository, name, day=day, job_id=job, nfiles=nfiles, original_size=90 + day)
    row = Session.get(Repository, repository)
    assert row is not None
    assert expected(Session(), row, "same") == {"original_size": 91, "nfiles": 8}
    (found,) = dashboard.summaries(Session(), [])
    assert (found.archive_name, found.archive_count) == ("good", len(archives))
    kept = last_good(Session(), repository)
    assert kept is not None
    assert kept.name == "good"
    page = admin.browser("GET", f"/repositories/{repository}").text
    assert f"{kept.start:%Y-%m-%dT%H:%M}" in page
    add_archive(repository, "imported.checkpoints", day=9)
    assert last_good(Session(), repository) != kept
