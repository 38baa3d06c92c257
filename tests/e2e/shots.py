"""Screenshots of every page, in ``shots/``: ``python -m tests.e2e.shots [WORD …]``, ``make shot``.

Starts an embedded Redis and the web on a data folder of its own, fills it (``sample.py``) and
photographs it in Chromium at 1440 and 390 pixels, light and dark. With words, only the shots whose
name holds one of them.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from borgui import embedded_redis, live, processes
from borgui.config import Config
from borgui.models import Session
from borgui.models import session as database
from borgui.security import keys
from borgui.security.sealing import Sealer
from tests.e2e import sample

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
)
SIZES = {"wide": (1440, 900), "phone": (390, 844)}


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def product(folder: Path) -> Iterator[tuple[Config, str]]:
    """Redis and the web, without workers: what is shown is what was put there."""
    config = Config(data_dir=folder, port=free_port())
    config.make_folders()
    processes.migrate(config)
    env = {
        **os.environ,
        "BORGUI_DATA_DIR": str(folder),
        "BORGUI_PORT": str(config.port),
        "BORGUI_HOST": "127.0.0.1",
    }
    children = [
        subprocess.Popen([sys.executable, "-m", "borgui", role], env=env, cwd=ROOT)
        for role in ("redis", "web")
    ]
    address = f"http://127.0.0.1:{config.port}"
    try:
        embedded_redis.wait_until_ready(config)
        _await(f"{address}/health?live=1")
        database.configure(config.sqlalchemy_url, Sealer(keys.load(config)))
        yield config, address
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()


def _await(url: str) -> None:
    for _ in range(150):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(url)


class Camera:
    """Signs in once a person, goes to pages, and keeps the pictures."""

    def __init__(self, browser: Browser, address: str, out: Path, words: list[str]) -> None:
        self._browser, self._address, self._out, self._words = browser, address, out, words
        self._cookies: dict[str, list[dict]] = {}

    def wants(self, name: str) -> bool:
        return not self._words or any(word in name for word in self._words)

    def take(self, name, path, *, person="admin", themes=("light", "dark"), whole=True, act=None):
        """One page in each size and theme."""
        for size, (width, height) in SIZES.items():
            for theme in themes:
                full = f"{name}-{size}-{theme}"
                if not self.wants(full):
                    continue
                context = self._browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=theme,
                    timezone_id="Europe/Berlin",
                    reduced_motion="reduce",
                )
                page = context.new_page()
                _listen(page, full)
                if person:
                    self._sign_in(context, page, person)
                page.goto(self._address + path)
                if act:
                    act(page)
                page.screenshot(path=self._out / f"{full}.png", full_page=whole)
                wide = page.evaluate("document.documentElement.scrollWidth")
                if wide > width:
                    print(f"{full}: {wide} px wide")
                context.close()

    def _sign_in(self, context, page: Page, person: str) -> None:
        if person not in self._cookies:
            page.goto(f"{self._address}/login")
            page.fill("[name=username]", person)
            page.fill("[name=password]", sample.PASSWORD)
            page.click("button[type=submit]")
            page.wait_for_url(f"{self._address}/")
            self._cookies[person] = context.cookies()
        context.add_cookies(self._cookies[person])


def _listen(page: Page, name: str) -> None:
    """Print what the browser complains of."""

    def complain(message) -> None:
        if message.type in {"error", "warning"}:
            print(f"{name}: {message.type}: {message.text}")

    page.on("console", complain)
    page.on("pageerror", lambda error: print(f"{name}: {error}"))


def main(words: list[str]) -> None:
    """Take them all."""
    out = ROOT / "shots"
    out.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        product(Path(folder)) as (config, address),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        camera = Camera(browser, address, out, words)
        client = live.connect(embedded_redis.url(config), timeout=2)
        camera.take("setup", "/setup", person=None)
        sample.people()
        sample.alive(client)
        camera.take("login", "/login", person=None)
        camera.take("dashboard-empty", "/")
        sample.one_good()
        camera.take("dashboard-quiet", "/", whole=False)
        ids = sample.life(config)
        Session.remove()
        photograph(camera, ids)
        client.flushall()
        camera.take("dashboard-missing", "/", themes=("light",))
        browser.close()
    print(f"{len(list(out.glob('*.png')))} pictures in {out}")


def photograph(camera: Camera, ids: dict[str, int]) -> None:
    """Every page of a product in use."""
    take = camera.take
    take("dashboard", "/")
    take("dashboard-fold", "/", whole=False, themes=("light",))
    take("dashboard-viewer", "/", person="viewer", themes=("light",))
    take("repositories", "/repositories")
    for tab in ("", "/archives", "/jobs", "/settings"):
        take(f"repository{tab.replace('/', '-')}", f"/repositories/{ids['repository']}{tab}")
    take("repository-odd", f"/repositories/{ids['odd']}")
    take("repository-fresh", f"/repositories/{ids['fresh']}", themes=("light",))
    take("repository-new", "/repositories/new")
    take("repository-new-import", "/repositories/new?mode=import", themes=("light",))
    take("repository-new-errors", "/repositories/new", act=_send_empty)
    take("jobs", "/jobs")
    take("jobs-fold", "/jobs", whole=False, themes=("light",))
    take("jobs-failed", "/jobs?status=failed&page=2", themes=("light",))
    for name in ("running", "unknown", "waiting", "warned", "failed", "held"):
        take(f"job-{name}", f"/jobs/{ids[name]}")
    take("job-viewer", f"/jobs/{ids['warned']}", person="viewer", themes=("light",))
    take("job-held-operator", f"/jobs/{ids['held']}", person="operator", themes=("light",))
    archives(camera, ids)
    take("settings", "/settings")
    take("settings-errors", "/settings", act=_wrong_roots, themes=("light",))
    take("tokens", "/account/tokens", act=_make_token)
    take("token-question", "/account/tokens", act=_ask_for_token, whole=False)
    take("held-question", f"/jobs/{ids['held']}", act=_ask_to_free, whole=False)
    take("refused", "/", act=_lose_connection, whole=False)
    take("not-found", "/nowhere", themes=("light",))
    take("danger", f"/repositories/{ids['repository']}/settings", act=_open_danger, whole=False)
    take("danger-page", f"/repositories/{ids['repository']}/forget?delete_data=1")
    take("danger-lock", f"/repositories/{ids['odd']}/break-lock", themes=("light",))
    take("focus", f"/jobs/{ids['running']}", act=_focus_path, whole=False)
    take("more", "/", act=_open_more, whole=False)


def archives(camera: Camera, ids: dict[str, int]) -> None:
    """What archives hold: browse, search, versions, compare, restore."""
    take = camera.take
    repository, archive = f"/repositories/{ids['repository']}", f"/archives/{ids['archive']}"
    documents = "path=home/anna/Documents"
    take("archives-search", "/archives")
    take("archives-found", "/archives?q=invoice&newer=2026-01-01")
    take("archives-nothing", "/archives?q=no+such+thing", themes=("light",))
    take("archive", archive)
    take("archive-odd", f"{archive}?{documents}", act=_tick)
    take("archive-many", f"{archive}?path=srv/photos/2024/11", whole=False)
    take("archive-unlisted", f"/archives/{ids['unlisted']}")
    take("archive-listing", f"/archives/{ids['listing']}")
    take("versions", f"{repository}/versions?{documents}/thesis%20draft%20(final)%20[2].odt")
    take("versions-gone", f"{repository}/versions?{documents}/Thesis/chapter 4 – results.odt")
    compared = f"{repository}/compare?before={ids['before']}&after={ids['archive']}"
    take("compare", compared)
    take("compare-folder", f"{compared}&{documents}/Invoices", themes=("light",))
    take("diff", f"{compared}&contents=1", whole=False)
    take("diff-folder", f"{compared}&contents=1&{documents}")
    take("diff-last-page", f"{compared}&contents=1&page=6", themes=("light",))
    take("diff-nothing", f"{compared}&contents=1&change=other", themes=("light",))
    for name in ("unlisted", "listing", "before"):
        pair = f"after={ids[name]}&before={ids['archive']}"
        if name != "before":
            pair = f"before={ids[name]}&after={ids['archive']}"
        take(f"diff-of-{name}", f"{repository}/compare?{pair}&contents=1")
    take("diff-job", f"/jobs/{ids['diff']}")
    take("restore", f"{archive}/restore?{documents}/Invoices")
    take("restore-overwrite", f"{archive}/restore?{documents}/Invoices", act=_overwrite)
    take("restore-whole", f"{archive}/restore", themes=("light",))
    take("restored", f"/jobs/{ids['restored']}")
    take("mounts", "/mounts")
    for name in ("mounted", "mounting", "unmounted"):
        take(name, f"/jobs/{ids[name]}")
    take("mount-form", f"/archives/{ids['archive']}/mount")
    for name in ("proved", "lost", "drilling"):
        take(f"drill-{name}", f"/jobs/{ids[name]}")
    take("drill-viewer", f"/jobs/{ids['lost']}", person="viewer", themes=("light",))
    take("drill-wrong", repository, act=_wrong_sample)
    take("delete-archives", f"{repository}/archives/delete?archive={ids['archive']}")
    take("rename-archive", f"{archive}/rename", themes=("light",))


def _tick(page: Page) -> None:
    for box in page.locator("td.pick input").all()[1:4]:
        box.check()


def _overwrite(page: Page) -> None:
    page.check("[name=to][value=folder]")
    page.fill("#destination", "relative/folder")
    page.check("#overwrite")
    page.click("main form button.primary")
    page.wait_for_selector(".summary")


def _wrong_sample(page: Page) -> None:
    page.fill("#sample", "5000")
    page.click("#drill button")
    page.wait_for_selector("#sample-error")


def _wrong_roots(page: Page) -> None:
    page.fill("[name=source_roots]", "/home\n/srv/projects")
    page.fill("[name=restore_roots]", "srv")
    page.click("main form button[type=submit]")
    page.wait_for_selector(".summary")


def _send_empty(page: Page) -> None:
    page.fill("[name=name]", "documents")
    page.fill("[name=path]", "relative/path")
    page.fill("[name=passphrase]", "one")
    page.fill("[name=passphrase_again]", "one")
    page.fill("[name=source_directories]", "/home/anna\nhome")
    page.click("main form button[type=submit]")
    page.wait_for_selector(".summary")


def _open_danger(page: Page) -> None:
    page.click("[data-opens=ask-delete]")


def _make_token(page: Page) -> None:
    page.fill("#name", "the backup script of the old laptop in the attic, nightly")
    page.click("main form.card button")
    page.wait_for_selector("#new-token")


def _ask_for_token(page: Page) -> None:
    page.locator("td.acts > button").first.click()


def _ask_to_free(page: Page) -> None:
    page.focus("[popovertarget=free-lane]")
    page.keyboard.press("Enter")


def _lose_connection(page: Page) -> None:
    page.route("**/cancel", lambda route: route.abort())
    page.locator(".job form button").first.click()
    page.wait_for_selector(".failed")


def _focus_path(page: Page) -> None:
    page.keyboard.press("Tab")
    page.locator(".path").first.focus()
    page.wait_for_timeout(100)


def _open_more(page: Page) -> None:
    if page.locator(".bar summary").is_visible():
        page.click(".bar summary")


if __name__ == "__main__":
    main(sys.argv[1:])
