"""Who may start and fetch downloads, by page and by API, and what the file is called."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from borgui import downloads
from borgui.config import Config
from borgui.jobs import kind_of
from borgui.jobs.job import Job, Status
from borgui.models import Session, now
from borgui.validation import to_b64
from tests.web.world import Someone, add_archive, add_job, add_repository

ROW = kind_of("download").row


@pytest.fixture
def archive(repository: int) -> int:
    """An archive of ``photos``; its id."""
    return add_archive(repository)


@pytest.fixture
def ready(config: Config, archive: int) -> Callable[..., int]:
    """Makes a completed download of ten bytes; its id."""

    def make(path: str = "home/ann/diary.txt", form: str = "file", **values: Any) -> int:
        number = add_job(
            ROW,
            **{
                "status": Status.COMPLETED,
                "completed_at": now(),
                "paths": [path],
                "format": form,
                "archive": "photos-1",
                "archive_id": archive,
                "file_size": 10,
                "expires_at": now() + timedelta(hours=1),
                **values,
            },
        )
        (config.downloads / f"{number}.file").write_bytes(b"0123456789")
        return number

    return make


def test_the_form_leads_to_the_job(redis: Redis, archive: int, operator: Someone) -> None:
    form = {"paths_b64": [to_b64("home/a\udce9b"), to_b64("home/x")], "format": "zip", "once": "a"}
    answer = operator.browser("POST", f"/archives/{archive}/downloads", data=form)
    assert answer.status_code == 303, answer.text
    again = operator.browser("POST", f"/archives/{archive}/downloads", data=form)
    assert again.location == answer.location
    job = Session.get(Job, int(answer.location.rpartition("/")[2]))
    assert job is not None
    assert (job.kind, job.options["archive_id"]) == ("download", archive)
    fields = kind_of("download").fields(job)
    assert fields["paths"] == ["home/a\\xe9b", "home/x"]
    assert fields["file_name"] == "home.zip"
    Session.remove()
    assert operator.browser("GET", answer.location).status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        {"format": "rar"},
        {},
        {"format": "file"},
        {"format": "file", "paths_b64": [to_b64("a"), to_b64("b")]},
        {"format": "tar", "paths_b64": ["!"]},
        {"format": "tar", "paths_b64": [to_b64("../x")]},
        {"format": "tar", "paths_b64": [to_b64("/etc")]},
    ],
)
def test_what_is_refused(
    redis: Redis, archive: int, operator: Someone, form: dict[str, Any]
) -> None:
    assert operator.browser("POST", f"/archives/{archive}/downloads", data=form).status_code == 422
    assert Session.query(Job).count() == 0


def test_an_archive_that_is_not_there(redis: Redis, operator: Someone) -> None:
    form = {"format": "tar"}
    assert operator.browser("POST", "/archives/77/downloads", data=form).status_code == 404
    assert operator.api("POST", "/api/archives/77/downloads", json=form).status_code == 404


def test_a_viewer_gets_nothing(
    redis: Redis, archive: int, viewer: Someone, ready: Callable[..., int]
) -> None:
    number = ready()
    for method, path in (
        ("GET", f"/downloads/{number}/file"),
        ("POST", f"/archives/{archive}/downloads"),
    ):
        assert viewer.browser(method, path, data={"format": "tar"}).status_code == 403
        assert viewer.client.open(path, method=method).status_code == 403
    assert viewer.api("GET", f"/api/downloads/{number}").status_code == 403
    start = viewer.api("POST", f"/api/archives/{archive}/downloads", json={"format": "tar"})
    assert start.status_code == 403
    page = viewer.browser("GET", f"/jobs/{number}").text
    assert "diary" not in page
    told = viewer.api("GET", f"/api/jobs/{number}").json
    assert (told["file_name"], told["paths"], told["paths_b64"]) == (None, None, None)


@pytest.mark.parametrize("way", ["page", "api"])
def test_fetching(operator: Someone, ready: Callable[..., int], way: str) -> None:
    def get(number: int, **options: Any) -> Any:
        if way == "page":
            return operator.browser("GET", f"/downloads/{number}/file", **options)
        return operator.api("GET", f"/api/downloads/{number}", **options)

    answer = get(ready())
    assert (answer.status_code, answer.data) == (200, b"0123456789")
    assert answer.headers["Content-Disposition"] == "attachment; filename=diary.txt"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert get(ready(), headers={"Range": "bytes=2-3"}).data == b"23"
    for status in (Status.PENDING, Status.RUNNING, Status.FAILED, Status.CANCELLED):
        assert get(ready(status=status, expires_at=None)).status_code == 409
    assert get(ready(expires_at=now() - timedelta(seconds=1))).status_code == 410
    assert get(add_job(status=Status.COMPLETED)).status_code == 404
    assert get(4711).status_code == 404


@pytest.mark.parametrize(
    ("path", "form", "header"),
    [
        ("a/b", "tar.zst", "filename=b.tar.zst"),
        ('a/"b"; x', "file", 'filename="_b_; x"'),
        ("a/b\r\nSet-Cookie: x", "zip", 'filename="b__Set-Cookie_ x.zip"'),
        ("a/caf\udce9", "file", "filename=caf_"),
        ("a/gnp.\u202eexe", "file", "filename=gnp._exe"),
        ("a/ü", "tar", "filename=u.tar; filename*=UTF-8''%C3%BC.tar"),
        ("a/...", "file", "filename=download"),
        ("a/x\\y", "file", "filename=x_y"),
    ],
)
def test_the_name_that_is_offered(
    operator: Someone, ready: Callable[..., int], path: str, form: str, header: str
) -> None:
    answer = operator.api("GET", f"/api/downloads/{ready(path, form)}")
    assert answer.headers["Content-Disposition"] == f"attachment; {header}"


def test_too_many_at_once(operator: Someone, ready: Callable[..., int]) -> None:
    place = f"/api/downloads/{ready()}"
    under_way = [operator.stream(place) for _ in range(4)]
    assert operator.api("GET", place).status_code == 429
    for answer in under_way:
        answer.close()
    for _ in range(6):
        assert operator.api("GET", place).status_code == 200
        assert operator.api("HEAD", place).status_code == 200
        assert operator.api("GET", place, headers={"Range": "bytes=99-"}).status_code == 416


def test_the_jobs_page(operator: Someone, ready: Callable[..., int]) -> None:
    number = ready()
    assert f"/downloads/{number}/file" in operator.browser("GET", f"/jobs/{number}").text
    gone = ready(expires_at=now())
    page = operator.browser("GET", f"/jobs/{gone}").text
    assert f"/downloads/{gone}/file" not in page
    assert "was removed again" in page
    waiting = ready(status=Status.RUNNING, expires_at=None)
    assert f"/downloads/{waiting}/file" not in operator.browser("GET", f"/jobs/{waiting}").text


def test_what_is_swept(config: Config, ready: Callable[..., int]) -> None:
    def later(hours: int) -> datetime:
        return now() + timedelta(hours=hours)

    kept, old = ready(), ready(expires_at=later(-1))
    failed, running = ready(status=Status.FAILED), ready(status=Status.RUNNING, expires_at=None)
    parts = [kept, old, failed, running, 999]
    for number in parts:
        (config.downloads / f"{number}.part").touch()
    (config.downloads / "999.file").touch()
    (config.downloads / "notes.txt").touch()
    assert downloads.sweep(Session(), config.downloads) == 8
    assert sorted(path.name for path in config.downloads.iterdir()) == sorted(
        [f"{kept}.file", f"{running}.file", f"{running}.part"]
    )
    assert downloads.sweep(Session(), config.downloads) == 0


def test_a_repository_of_another_name_offers_its_archive(ready: Callable[..., int]) -> None:
    number = ready("", "tar", paths=[], repository_id=add_repository("other"))
    job = Session.get(Job, number)
    assert job is not None
    assert kind_of("download").fields(job)["file_name"] == "photos-1.tar"
