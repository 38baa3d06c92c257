"""Behind a real nginx: at the root, with TLS, and under a path that is kept or taken off."""

import http.client
import json
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests.integration.product import PASSWORD, Product, wait_for
from tests.integration.proxy.browser import Browser
from tests.integration.proxy.conftest import Held, Site

FORGED = {
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Port": "444",
    "X-Script-Name": "/evil",
    "Script_Name": "/evil",
    "X_Forwarded_Proto": "gopher",
    "Forwarded": "host=evil.example;proto=https",
}


def test_a_stranger_is_taken_to_the_sign_in_page_and_back(site: Site) -> None:
    browser = site.browser()
    asked = browser.get("/jobs?status=failed")
    assert asked.status == 303
    assert urljoin(site.origin, asked.location).startswith(f"{site.origin}{site.prefix}/login?")
    form = browser.visit(asked.location)
    assert (form.status, f'action="{site.prefix}/login"' in form.text) == (200, True)
    given = {"username": "admin", "password": PASSWORD, "next": "/jobs?status=failed"}
    assert browser.submit("/login", given).status == 403, "without the form's token"
    done = browser.submit("/login", {**given, "csrf_token": form.csrf})
    assert done.status == 303
    assert urljoin(site.origin, done.location) == f"{site.origin}{site.prefix}/jobs?status=failed"
    assert browser.visit(done.location).status == 200


def test_the_cookie_is_for_our_path_and_for_https_where_that_is(site: Site) -> None:
    browser = site.browser()
    page = browser.get("/login")
    cookie = page.headers["Set-Cookie"]
    assert f"Path={site.prefix}/;" in f"{cookie};"
    assert ("Secure" in cookie) is site.is_secure
    assert ("Strict-Transport-Security" in page.headers) is site.is_secure
    assert [each.path for each in browser.jar] == [f"{site.prefix}/"]


def test_the_path_without_its_slash_leads_there(site: Site) -> None:
    browser = site.signed_in()
    address = site.prefix
    for _ in range(4):
        page = browser.visit(address or "/")
        if page.status == 200:
            break
        address = page.location
    assert page.status == 200
    assert "<h1" in page.text


def test_every_address_on_a_page_is_below_the_path_and_answers(site: Site) -> None:
    browser = site.signed_in()
    links: set[str] = set()
    for path in ("/", "/repositories", f"/repositories/{site.repository}", "/jobs", "/settings"):
        links |= browser.get(path).links
    assert len(links) > 10
    assert {each for each in links if not each.startswith(f"{site.prefix}/")} == set()
    files = {each for each in links if "/static/" in each}
    assert files
    assert {each: browser.visit(each).status for each in files} == dict.fromkeys(files, 200)


def test_a_backup_from_its_button_to_its_last_poll(site: Site, held: Held) -> None:
    browser = site.signed_in()
    page = browser.get(f"/repositories/{site.repository}")
    with held():
        started = browser.submit(
            f"/repositories/{site.repository}/backup", _fields(page.text, "/backup")
        )
        assert started.status == 303
        where = urlsplit(urljoin(site.origin, started.location)).path
        assert re.fullmatch(rf"{site.prefix}/jobs/\d+", where)
        job = int(where.rpartition("/")[2])
        site.product.wait_job(job, "running")
        polled = _polled(browser.visit(where).text, "/progress")
        assert polled.startswith(f"{site.prefix}/jobs/{job}/progress")
        partial = browser.visit(polled, headers={"HX-Request": "true"})
        assert (partial.status, partial.text.lstrip()[:8]) == (200, "<article")
        assert _polled(partial.text, "/progress") == polled.partition("?")[0], "it asks again"
        log = browser.get(f"/jobs/{job}/log?offset=0", headers={"HX-Request": "true"})
        assert (log.status, f"{site.prefix}/jobs/{job}/log?offset=" in log.text) == (200, True)
    site.product.wait_job(job, "completed")
    ended = browser.visit(polled, headers={"HX-Request": "true"})
    assert ended.headers["HX-Trigger"] == "job-changed"
    assert "/progress" not in ended.text, "it asks no more"


def test_htmx_without_a_session_is_led_to_the_sign_in_page(site: Site) -> None:
    answer = site.browser().get("/jobs/active", headers={"HX-Request": "true"})
    assert (answer.status, answer.headers["HX-Redirect"]) == (401, f"{site.prefix}/login")


def test_a_log_is_followed_line_by_line_to_its_end(site: Site, held: Held) -> None:
    browser = site.browser()
    with held():
        job = _start(browser, site)
        site.product.wait_job(job, "running")
        answer = browser.open(f"{site.prefix}/api/backup/logs/{job}", headers=_token(site))
        assert answer.headers["Content-Type"].startswith("text/plain")
        first = answer.read1(65536)
        assert b"borg create" in first
        assert site.product.job(job)["status"] == "running", "the line came while it ran"
    rest = answer.read()
    assert site.product.wait_job(job)["status"] == "completed"
    whole = browser.get(f"/api/backup/logs/{job}?follow=false", headers=_token(site)).text
    assert (first + rest).decode() == whole
    assert rest


def test_who_hangs_up_gives_the_stream_back(sites: dict[str, Site], held: Held) -> None:
    site = sites["root"]
    browser = site.browser()
    with held():
        job = _start(browser, site)
        site.product.wait_job(job, "running")
        for _ in range(10):  # there are four for each of two processes
            wait_for(lambda: _follows_a_little(browser, site, job), 10, "no stream is free")
    site.product.wait_job(job)


def test_where_a_new_job_is_found(site: Site) -> None:
    browser = site.browser()
    body = json.dumps({"repository_id": site.repository}).encode()
    headers = {**_token(site), "Content-Type": "application/json"}
    started = browser.visit(f"{site.prefix}/api/backup/run", body, headers)
    job = json.loads(started.text)["job_id"]
    assert started.status == 202
    place = urljoin(site.origin, started.location)
    assert place == f"{site.origin}{site.prefix}/api/jobs/{job}"
    assert json.loads(browser.visit(started.location, headers=_token(site)).text)["id"] == job
    site.product.wait_job(job)


def test_health_needs_no_session(site: Site) -> None:
    assert json.loads(site.browser().get("/health").text)["status"] == "ok"


def test_a_large_body_that_is_refused_gets_our_answer(site: Site) -> None:
    """And not nginx's own, because the connection was reset while it still sent."""
    browser = site.browser()
    kind = {"Content-Type": "application/json"}
    too_large = browser.visit(f"{site.prefix}/api/tokens", b" " * 1_500_000, _token(site) | kind)
    stranger = browser.visit(f"{site.prefix}/api/tokens", b" " * 900_000, kind)
    unproven = browser.visit(f"{site.prefix}/login", b"username=a&x=" + b"y" * 900_000)
    assert (too_large.status, stranger.status, unproven.status) == (413, 401, 403)
    assert json.loads(too_large.text)["error"]["code"] == "too_large"


# --- forged headers -------------------------------------------------------------------------------


def test_a_forged_header_changes_nothing(site: Site) -> None:
    browser = site.browser()
    asked = browser.get("/jobs", headers=FORGED)
    assert urljoin(site.origin, asked.location) == f"{site.origin}{site.prefix}/login?next=/jobs"
    page = browser.get("/login", headers=FORGED)
    assert "evil" not in page.text + str(page.headers)
    assert f"Path={site.prefix}/;" in f"{page.headers['Set-Cookie']};"
    assert ("Secure" in page.headers["Set-Cookie"]) is site.is_secure


def test_a_forged_address_does_not_get_around_the_limit_on_sign_in(site: Site) -> None:
    name = f"mallory-{site.name}"
    statuses = [_guess(site, name, {"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(7)]
    assert statuses[-1] == 429, statuses
    # the limit is on the client's own address, which nginx has passed on
    assert _guess(site, name, {}, source="127.0.0.2") == 422


def test_without_a_proxy_every_forwarding_header_is_ignored(products: dict[str, Product]) -> None:
    product = products["direct"]
    site = Site("direct", product, 0, product.url(""), "")
    browser = site.browser()
    forged = {**FORGED, "X-Forwarded-Proto": "https"}
    assert browser.get("/jobs", headers=forged).location == "/login?next=/jobs"
    page = browser.get("/login", headers=forged)
    assert "Secure" not in page.headers["Set-Cookie"]
    assert "Path=/;" in f"{page.headers['Set-Cookie']};"
    assert "Strict-Transport-Security" not in page.headers
    statuses = [_guess(site, "mallory", {"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(7)]
    assert statuses[-1] == 429, statuses


# --- steps ----------------------------------------------------------------------------------------


def _token(site: Site) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.product.token}"}


def _start(browser: Browser, site: Site) -> int:
    body = json.dumps({"repository_id": site.repository}).encode()
    headers = {**_token(site), "Content-Type": "application/json"}
    started = browser.visit(f"{site.prefix}/api/backup/run", body, headers)
    return int(json.loads(started.text)["job_id"])


def _follows_a_little(browser: Browser, site: Site, job: int) -> bool:
    headers = _token(site)
    try:
        with browser.open(f"{site.prefix}/api/backup/logs/{job}", headers=headers) as answer:
            return bool(answer.read1(100))
    except http.client.HTTPException:
        return False
    except OSError:  # 429 while the last ones are still being noticed
        return False


def _fields(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that posts to ``action``."""
    form = next(each for each in page.split("<form")[1:] if f'{action}"' in each.split(">")[0])
    hidden = form.split("</form")[0]
    return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', hidden))


def _polled(page: str, what: str) -> str:
    found = re.search(rf'hx-get="([^"]*{what}[^"]*)"', page)
    assert found, page[:1000]
    return found[1]


def _guess(site: Site, name: str, headers: dict[str, str], source: str = "127.0.0.1") -> int:
    """One wrong sign-in through the API from the address ``source``; its status."""
    where = urlsplit(site.origin)
    made: dict[str, Any] = {"timeout": 20, "source_address": (source, 0)}
    if site.is_secure:
        import ssl

        made["context"] = ssl.create_default_context(cafile=site.certificate)
    kind = http.client.HTTPSConnection if site.is_secure else http.client.HTTPConnection
    connection = kind(where.hostname or "", where.port, **made)
    body = json.dumps({"username": name, "password": "a wrong one"})
    path = f"{site.prefix}/api/auth/login"
    connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return 422 if answer.status == 401 else answer.status
