"""A new user's first hour: set up, add a repository, back up, see the archive; and without
JavaScript too."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.faults.havoc import frozen
from tests.integration.faults.havoc import running as running_borg
from tests.integration.product import Product, borg, running

PASSPHRASE = "tr0ub4dor & three"


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """Just started, and nobody can sign in yet."""
    started = Product(tmp_path / "data", env={"BORGUI_ADMIN_PASSWORD": ""}).start()
    yield started
    started.stop()


def test_from_first_run_to_an_archive_that_borg_gives_back(
    product: Product, tab: Page, tmp_path: Path
) -> None:
    source = tmp_path / "letters"
    source.mkdir()
    content = os.urandom(3_000_000)
    (source / "to mother – 1.odt").write_bytes(content)
    repository = tmp_path / "repository"
    code = re.search(r"Set-up code \(once\): (\S+)", product.said)
    assert code

    tab.goto(product.url("/"))
    tab.get_by_label("Set-up code").fill(code[1])
    tab.get_by_label("Username").fill("anna")
    tab.get_by_label("Password", exact=True).fill("a long password")
    tab.get_by_label("Password again").fill("a long password")
    tab.get_by_role("button", name="Make the account").click()
    tab.get_by_role("link", name="Add repository").first.click()

    tab.get_by_label("Name", exact=True).fill("letters")
    tab.locator("#path").fill(str(repository))
    tab.get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
    tab.get_by_label("Passphrase again").fill(PASSPHRASE)
    tab.locator("#source_directories").fill(str(source))
    tab.get_by_role("button", name="Create repository").click()
    # the page follows its init job and comes to offer a backup by itself
    tab.get_by_role("button", name="Back up now").click(timeout=20_000)
    expect(tab.locator("#job-page").get_by_text("done", exact=True)).to_be_visible(timeout=30_000)

    tab.goto(product.url("/repositories"))
    tab.get_by_role("link", name="letters").first.click()
    tab.locator("main").get_by_role("link", name="Archives", exact=True).first.click()
    listed = borg(repository, "list", "--short", home=tmp_path, passphrase=PASSPHRASE).split()
    assert len(listed) == 1
    expect(tab.locator("main")).to_contain_text(listed[0])

    borg(repository, "extract", f"::{listed[0]}", home=tmp_path, passphrase=PASSPHRASE)
    restored = tmp_path / str(source).lstrip("/") / "to mother – 1.odt"
    assert restored.read_bytes() == content


def test_start_and_cancel_without_javascript(chromium: Browser, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(8):
        (source / f"{number}.bin").write_bytes(os.urandom(1_000_000))
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(15_000)
    with running(tmp_path / "data") as product:
        repo_id = product.add_repository(
            "plain", tmp_path / "repository", [source], compression="lzma,9"
        )
        tab = context.new_page()
        tab.goto(product.url("/"))
        tab.get_by_label("Username").fill("admin")
        tab.get_by_label("Password").fill("correct horse battery staple")
        tab.get_by_role("button", name="Sign in").click()
        tab.goto(product.url(f"/repositories/{repo_id}"))
        tab.get_by_role("button", name="Back up now").click()
        tab.wait_for_url("**/jobs/*")
        job_id = int(tab.url.rsplit("/", 1)[1])
        with frozen(running_borg(product, job_id)):  # it can not end before the button is pressed
            tab.reload()
            # lines that come do not move what is below
            expect(tab.locator("#log-text")).to_have_css("height", "240px")
            tab.get_by_role("button", name="Cancel").click()
            expect(tab.get_by_role("button", name="Cancelling")).to_be_disabled()
        assert product.wait_job(job_id)["status"] == "cancelled"
        tab.reload()
        expect(tab.get_by_text("cancelled").first).to_be_visible()
    context.close()


def test_a_long_name_widens_no_page_of_a_phone(tab: Page, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    tab.set_viewport_size({"width": 390, "height": 844})
    with running(tmp_path / "data") as product:
        repo_id = product.add_repository("n" * 150, tmp_path / "repository", [source])
        tab.goto(product.url("/"))
        tab.get_by_label("Username").fill("admin")
        tab.get_by_label("Password").fill("correct horse battery staple")
        tab.get_by_role("button", name="Sign in").click()
        pages = ["/", "/repositories", "/jobs", "/jobs/1", "/archives", "/settings"]
        tabs = ["", "/archives", "/jobs", "/settings"]
        for page in [*pages, *(f"/repositories/{repo_id}{each}" for each in tabs)]:
            tab.goto(product.url(page))
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390, page
