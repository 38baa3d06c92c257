"""From "I deleted something" to the file on disk: search, version, restore; without script too."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from borgui.validation import to_b64
from tests.integration.faults.havoc import Place
from tests.integration.product import PASSWORD, Product, running, wait_for

ODD = os.fsencode("r") + b"\xe9sum\xe9 [1].doc"


class Home:
    """A folder of somebody's, backed up twice: with the first letter, then with the second."""

    def __init__(self, product: Product, folder: Path) -> None:
        self.product = product
        self.letters = folder / "letters"
        self.letters.mkdir(parents=True)
        self.odd = os.fsencode(self.letters) + b"/" + ODD
        self.first, self.second = os.urandom(300_000), os.urandom(400_000)
        self.letter = self.letters / "to mother – 1.odt"
        self.letter.write_bytes(self.first)
        with open(self.odd, "wb") as stream:  # noqa: PTH123 - its name is bytes
            stream.write(b"odd")
        os.utime(self.letter, (1_700_000_000, 1_700_000_000))
        self.repository = product.add_repository("letters", folder / "repository", [self.letters])
        self.back_up()
        self.letter.write_bytes(self.second)
        self.back_up()

    def back_up(self) -> None:
        job = self.product.wait_job(self.product.back_up(self.repository))
        assert job["status"] == "completed", job

    def settle(self) -> None:
        """Wait until none of its jobs waits or runs."""
        place = Place(self.product, self.repository, self.letters.parent / "repository")
        wait_for(lambda: not place.active(), 60, lambda: f"still active: {place.active()}")

    def lose(self) -> None:
        """Delete the letter, and back up once more without it."""
        self.letter.unlink()
        os.unlink(self.odd)  # noqa: PTH108
        self.back_up()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("product") / "data") as started:
        yield started


@pytest.fixture
def home(product: Product, tmp_path: Path) -> Iterator[Home]:
    """All that the product knows of while the test lasts."""
    home = Home(product, tmp_path / "anna")
    yield home
    home.settle()
    assert product.request("DELETE", f"/api/repositories/{home.repository}").status == 204


def sign_in(tab: Page, product: Product) -> None:
    tab.goto(product.url("/"))
    tab.get_by_label("Username").fill("admin")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()


def find(tab: Page, home: Home, text: str) -> None:
    """From any page to what the search found; what is not listed yet is listed first."""
    tab.get_by_role("link", name="Archives").first.click()
    tab.get_by_label("Name of a file or folder").fill(text)
    tab.get_by_role("button", name="Find").click()


def ended(tab: Page, home: Home) -> dict[str, object]:
    """The job whose page comes now, once it has ended."""
    tab.wait_for_url("**/jobs/*")
    return home.product.wait_job(int(tab.url.rsplit("/", 1)[1]))


def test_a_deleted_file_is_back_within_a_minute(home: Home, tab: Page) -> None:
    home.lose()
    sign_in(tab, home.product)
    begun = time.monotonic()
    find(tab, home, "mother")
    tab.get_by_role("button", name="List their contents").click()
    # what the archives hold appears by itself
    tab.get_by_role("link", name="to mother – 1.odt").click(timeout=30_000)
    # and the page of its versions grows as further archives are listed
    expect(tab.locator("table.versions tbody tr")).to_have_count(2, timeout=30_000)
    expect(tab.get_by_text("It is not in the newest archive.")).to_be_visible(timeout=30_000)
    tab.get_by_role("link", name="Restore", exact=True).first.click()
    expect(tab.get_by_text("Nothing that exists is changed.")).to_be_visible()
    tab.get_by_role("button", name="Restore", exact=True).click()
    expect(tab.get_by_text("done", exact=True).first).to_be_visible(timeout=30_000)
    took = time.monotonic() - begun
    assert home.letter.read_bytes() == home.second
    expect(tab.locator("#restore-card")).to_contain_text("Files in place1")
    assert took < 60, took


def choose(tab: Page, folder: Path) -> None:
    """By the picker, from the root down."""
    tab.get_by_role("button", name="Choose").click()
    picker = tab.locator("#folder-picker")
    for name in folder.parts[1:]:
        shown = name.encode("utf-8", "backslashreplace").decode().replace("\\udc", "\\x")
        picker.locator(f"li .path[title={json.dumps(shown)}]").click()
    picker.get_by_role("button", name="Choose this folder").click()


def test_an_older_version_to_another_folder(home: Home, tab: Page, tmp_path: Path) -> None:
    sign_in(tab, home.product)
    find(tab, home, "mother")
    tab.get_by_role("button", name="List their contents").click()
    tab.get_by_role("link", name="to mother – 1.odt").click(timeout=30_000)
    rows = tab.locator("table.versions tbody tr")
    expect(rows).to_have_count(2, timeout=30_000)
    rows.nth(1).get_by_role("link", name="Restore", exact=True).click()
    tab.get_by_label("To another folder").check()
    tab.get_by_role("button", name="Choose the destination").click()
    tab.locator("#folder-picker").get_by_role("button", name="Cancel").click()
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    ticked = tab.locator("#destination-odd input:checked")
    choose(tab, odd)  # by its bytes, since nobody can type it
    expect(tab.locator("#destination")).to_have_value("")
    expect(ticked).to_have_value(to_b64(str(odd)))
    choose(tab, tmp_path)
    expect(tab.locator("#destination")).to_have_value(str(tmp_path))
    expect(ticked).to_have_count(0)
    tab.locator("#destination").fill(str(tmp_path / "found again"))
    tab.get_by_role("button", name="Restore", exact=True).click()
    assert ended(tab, home)["status"] == "completed"
    restored = tmp_path / "found again" / home.letter.name
    assert restored.read_bytes() == home.first
    assert restored.stat().st_mtime == 1_700_000_000
    assert home.letter.read_bytes() == home.second


def test_a_folder_is_not_taken_before_it_is_listed(home: Home, tab: Page) -> None:
    sign_in(tab, home.product)
    tab.goto(home.product.url("/repositories/new"))
    tab.get_by_role("button", name="Choose the folder of the repository").click()
    picker = tab.locator("#folder-picker")
    expect(picker.get_by_role("button", name="Choose this folder")).to_be_enabled()
    held: list[Route] = []
    tab.route("**/folders?*", lambda route: held.append(route))  # noqa: PLW0108 - it is given a mark, which no built-in takes
    with tab.expect_request("**/folders?*"):
        picker.locator('li .path[title="tmp"]').click()
    expect(picker.get_by_role("button", name="Choose this folder")).to_be_disabled()
    with tab.expect_request("**/folders?*"):
        picker.locator('li .path[title="usr"]').click()  # on second thought
    expect(picker.get_by_role("button", name="Choose this folder")).to_be_disabled()
    for each in reversed(held):
        each.continue_()
    expect(picker.get_by_role("button", name="Choose this folder")).to_be_enabled()
    tab.unroute("**/folders?*")
    picker.get_by_role("button", name="Choose this folder").click()
    expect(tab.locator("#path")).to_have_value("/usr")
    expect(tab.locator(".failed")).to_have_count(0)


def test_a_picker_that_was_left_does_not_come_back(product: Product, tab: Page) -> None:
    sign_in(tab, product)
    tab.goto(product.url("/repositories/new"))
    choose = tab.get_by_role("button", name="Choose the folder of the repository")
    picker = tab.locator("#folder-picker")
    held: list[Route] = []
    tab.route("**/folders?*", lambda route: held.append(route))  # noqa: PLW0108 - as above
    for _ in range(2):  # nothing seems to happen at first
        with tab.expect_request("**/folders?*"):
            choose.click()
    for each in reversed(held):
        each.continue_()
    with tab.expect_request("**/folders?*"):
        picker.locator('li .path[title="tmp"]').click()
    assert len(held) == 3
    tab.evaluate("addEventListener('htmx:finally:request', () => { document.title = 'listed' })")
    picker.get_by_role("button", name="Cancel").click()
    held[2].continue_()
    expect(tab).to_have_title("listed")
    expect(picker).to_be_hidden()
    expect(tab.locator(".failed")).to_have_count(0)


def test_a_selection_over_two_folders_is_kept(home: Home, tab: Page, tmp_path: Path) -> None:
    sign_in(tab, home.product)
    tab.goto(home.product.url(f"/repositories/{home.repository}/archives"))
    tab.locator("table.archives a.name").first.click()
    tab.get_by_role("button", name="List its contents").click()
    parts = str(home.letters).strip("/").split("/")
    for part in parts[:-1]:
        tab.get_by_role("link", name=part, exact=True).last.click(timeout=30_000)
    tab.get_by_label("Select letters").check()
    expect(tab.get_by_text("1 selected")).to_be_visible()
    tab.get_by_role("link", name="letters", exact=True).last.click()
    expect(tab.get_by_text("1 selected, 1 of them elsewhere")).to_be_visible()
    tab.locator("td.pick input").first.check()
    tab.go_back()
    expect(tab.get_by_text("2 selected, 1 of them elsewhere")).to_be_visible()
    tab.get_by_role("button", name="Clear").click()
    tab.get_by_role("link", name="letters", exact=True).last.click()
    expect(tab.get_by_text("Nothing ticked")).to_be_visible()
    tab.get_by_label("All of this page").check()
    tab.get_by_role("button", name="Restore", exact=True).click()
    tab.get_by_label("To another folder").check()
    tab.locator("#destination").fill(str(tmp_path / "both"))
    tab.get_by_role("button", name="Restore", exact=True).click()
    assert ended(tab, home)["status"] == "completed"
    assert sorted(os.listdir(os.fsencode(tmp_path / "both"))) == sorted(  # noqa: PTH208
        [ODD, os.fsencode(home.letter.name)]
    )


def test_without_javascript(home: Home, chromium: Browser) -> None:
    home.lose()
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(15_000)
    tab = context.new_page()
    sign_in(tab, home.product)
    find(tab, home, "mother")
    tab.get_by_role("button", name="List their contents").click()
    home.settle()  # two are listed at once: whichever ends first is not the newest version
    tab.reload()
    tab.get_by_role("link", name="to mother – 1.odt").click()
    expect(tab.locator("table.versions tbody tr")).to_have_count(2)
    # from the version to the folder it was in, where another file is ticked as well
    tab.locator("table.versions tbody tr").nth(0).get_by_role("link").nth(1).click()
    expect(tab.locator("td.pick input")).to_have_count(2)
    for box in tab.locator("td.pick input").all():
        box.check()
    tab.get_by_label("Keep what is ticked and go to").select_option("the folder above")
    tab.get_by_role("button", name="Go").click()
    expect(tab.get_by_text("2 selected")).to_be_visible()
    tab.get_by_role("button", name="Restore", exact=True).click()
    tab.get_by_role("button", name="Restore", exact=True).click()
    assert ended(tab, home)["status"] == "completed"
    assert home.letter.read_bytes() == home.second
    assert Path(os.fsdecode(home.odd)).read_bytes() == b"odd"
    context.close()


def test_dry_run_then_left_alone_then_overwritten(home: Home, tab: Page) -> None:
    sign_in(tab, home.product)
    find(tab, home, "mother")
    tab.get_by_role("button", name="List their contents").click()
    tab.get_by_role("link", name="to mother – 1.odt").click(timeout=30_000)
    rows = tab.locator("table.versions tbody tr")
    expect(rows).to_have_count(2, timeout=30_000)
    rows.nth(1).get_by_role("link", name="Restore", exact=True).click()

    tab.get_by_label("Dry run").check()
    form = tab.url
    expect(tab.get_by_text("Nothing is written.")).to_be_visible()
    tab.get_by_role("button", name="Say what would happen").click()
    assert ended(tab, home)["status"] == "completed"
    tab.reload()
    expect(tab.locator("#restore-card")).to_contain_text("Would be left alone1")

    tab.goto(form)
    tab.get_by_role("button", name="Restore", exact=True).click()
    ended(tab, home)
    tab.reload()
    expect(tab.locator("#restore-card")).to_contain_text("Left alone1")
    tab.get_by_text("Left alone, because it was there already").click()
    expect(tab.locator("#restore-card .paths")).to_contain_text(home.letter.name)
    assert home.letter.read_bytes() == home.second

    tab.goto(form)
    tab.get_by_label("Overwrite what is there").check()
    expect(tab.get_by_text("Files of the same name are replaced.")).to_be_visible()
    tab.get_by_role("button", name="Restore and overwrite").click()
    assert ended(tab, home)["status"] == "completed"
    assert home.letter.read_bytes() == home.first
