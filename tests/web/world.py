"""People, rows and browsers for the tests of the web."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from borgui.jobs import kind_of
from borgui.jobs.backup import BackupJob
from borgui.jobs.job import Job
from borgui.models import Archive, Repository, Session, User, now

PASSWORD = "correct horse battery"
HASH = generate_password_hash(PASSWORD, "scrypt:1024:8:1")
"""Quick to check, where a real one takes a tenth of a second at each sign-in."""


@dataclass
class Someone:
    """A person: an API token, and a browser that signs in when it is first used."""

    id: int
    username: str
    app: Flask
    token: str

    @cached_property
    def client(self) -> FlaskClient:
        client = self.app.test_client()
        assert sign_in(client, self.username).status_code == 303
        return client

    @cached_property
    def csrf(self) -> str:
        return csrf_of(self.client.get("/account/tokens"))

    def api(self, method: str, path: str, **options: Any) -> TestResponse:
        """Call the API with the person's token, without any cookie."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        fresh = self.app.test_client(use_cookies=False)
        return fresh.open(path, buffered=True, method=method, headers=headers, **options)

    def stream(self, path: str) -> TestResponse:
        """GET with the token, without waiting for the answer's end; the caller closes it."""
        client = self.app.test_client(use_cookies=False)
        return client.get(path, headers={"Authorization": f"Bearer {self.token}"})

    def browser(self, method: str, path: str, **options: Any) -> TestResponse:
        """Call with the session's cookie and CSRF token."""
        headers = {"X-CSRFToken": self.csrf, **options.pop("headers", {})}
        answer = self.client.open(path, buffered=True, method=method, headers=headers, **options)
        if answer.mimetype == "text/html":
            assert_forms_can_be_sent(answer.text)
        return answer


def assert_forms_can_be_sent(html: str) -> None:
    """Each form that posts holds the CSRF token: here the header makes up for it, in a browser
    nothing does."""
    for form in re.findall(r'<form[^>]* method="post".*?</form>', html, re.DOTALL):
        assert re.search(r'name="csrf_token" value="[^"]+"', form), form


def csrf_of(page: TestResponse) -> str:
    """The CSRF token in a form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text[:500]
    return found[1]


def sign_in(client: FlaskClient, username: str, password: str = PASSWORD) -> TestResponse:
    """Sign in as a browser does."""
    form = {
        "csrf_token": csrf_of(client.get("/login")),
        "username": username,
        "password": password,
    }
    return client.post("/login", data=form)


def add_user(username: str, role: str) -> int:
    """A row; returns its id."""
    user = User(username=username, password_hash=HASH, role=role)
    return _added(user)


def add_repository(name: str, **values: Any) -> int:
    """A row of a repository that is ready; returns its id."""
    place = Repository.place_of("local", f"/srv/{name}")
    row = Repository(
        **{
            "name": name,
            "path": f"/srv/{name}",
            "place": place,
            "lane": place,
            "status": "ready",
            "encryption": "none",
            "source_directories": ["/home/secret-folder"],
            **values,
        }
    )
    return _added(row)


def add_job(row: type[Job] | None = None, **values: Any) -> int:
    """A row of a job, of a backup if nothing else is said; returns its id."""
    row = row or (kind_of(values["kind"]).row if "kind" in values else BackupJob)
    job = row(**{"machine": "local", "repository_name": "photos", **values})
    return _added(job)


def add_archive(repository: int, name: str = "photos-1", **values: Any) -> int:
    """An archive of a repository; returns its id."""
    borg_id = hashlib.sha256(f"{repository} {name}".encode()).hexdigest()
    return _added(
        Archive(
            **{
                "repository_id": repository,
                "name": name,
                "borg_id": borg_id,
                "start": now(),
                **values,
            }
        )
    )


def _added(row: Any) -> int:
    Session.add(row)
    Session.commit()
    number: int = row.id
    Session.remove()
    return number
