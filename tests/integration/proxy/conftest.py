"""Three products (at the root, under a path, trusting nobody), and nginx before two of them."""

import contextlib
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.product import PASSWORD, Product, free_port
from tests.integration.proxy.browser import Browser
from tests.integration.proxy.nginx import (
    PREFIX,
    Nginx,
    at_root,
    below,
    make_certificate,
    without_tls,
)

WAYS = ("root", "root with TLS", "path kept", "path taken off")


@dataclass
class Site:
    """A way to a product: the address, and what lies behind it."""

    name: str
    product: Product
    repository: int
    origin: str
    prefix: str
    certificate: str | None = None

    @property
    def is_secure(self) -> bool:
        return self.origin.startswith("https")

    def browser(self) -> Browser:
        """One that has never been here."""
        return Browser(self.origin, self.prefix, self.certificate)

    def signed_in(self) -> Browser:
        """One in which the admin has signed in."""
        browser = self.browser()
        assert browser.sign_in("admin", PASSWORD).status == 303
        return browser


@dataclass
class Held:
    """Borg waits before each backup as long as the file is there."""

    file: Path

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        self.file.touch()
        try:
            yield
        finally:
            self.file.unlink()


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """Holds every backup that starts within it: ``with held(): …``."""
    return Held(tmp_path_factory.mktemp("held") / "hold")


@pytest.fixture(scope="module")
def borg(held: Held, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real borg, which waits for us before it makes an archive."""
    script = tmp_path_factory.mktemp("borg") / "borg"
    script.write_text(
        "#!/bin/sh\n"
        f'case " $* " in *" create "*) while [ -e {held.file} ]; do sleep 0.05; done ;; esac\n'
        'exec borg "$@"\n'
    )
    script.chmod(0o755)
    return script


@pytest.fixture(scope="module")
def products(borg: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Product]]:
    """Started at once."""
    folder = tmp_path_factory.mktemp("products")
    believing = {"BORGUI_BORG": str(borg), "BORGUI_TRUSTED_PROXIES": "1", "BORGUI_JOBS": "1"}
    started = {
        "root": Product(folder / "root", env=believing),
        "path": Product(folder / "path", env={**believing, "BORGUI_URL_PREFIX": PREFIX}),
        "direct": Product(folder / "direct", env={"BORGUI_JOBS": "1"}),
    }
    try:
        for product in started.values():
            product.start(ready=False)
        for product in started.values():
            product.wait_healthy(60)
            product.sign_in()
        yield started
    finally:
        for product in started.values():
            if product.process is not None and product.process.poll() is None:
                product.stop()


@pytest.fixture(scope="module")
def sites(
    products: dict[str, Product], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Site]]:
    """The ways, by name, with nginx in front."""
    folder = tmp_path_factory.mktemp("nginx")
    source = folder / "source"
    source.mkdir()
    (source / "letter.txt").write_text("a letter")
    repositories = {
        name: products[name].add_repository(name, folder / name, [source])
        for name in ("root", "path")
    }
    certificate = make_certificate(folder / "certificate")
    ports = {way: free_port() for way in WAYS}
    root, path = products["root"].port, products["path"].port
    nginx = Nginx(
        folder,
        [
            without_tls(at_root(ports["root"], root, certificate)),
            at_root(ports["root with TLS"], root, certificate),
            below(ports["path kept"], path, stripped=False),
            below(ports["path taken off"], path, stripped=True),
        ],
    )
    nginx.start()

    def site(way: str) -> Site:
        name = way.split(maxsplit=1)[0]
        secure = way.endswith("TLS")
        origin = f"http{'s' * secure}://127.0.0.1:{ports[way]}"
        trusted = f"{certificate}.pem" if secure else None
        prefix = PREFIX if name == "path" else ""
        return Site(way, products[name], repositories[name], origin, prefix, trusted)

    try:
        yield {way: site(way) for way in WAYS}
    finally:
        nginx.stop()


@pytest.fixture(params=WAYS)
def site(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Site:
    """Each way in turn."""
    return sites[request.param]


@pytest.fixture(autouse=True)
def _no_proxy_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of proxies is for the way out, not for this machine."""
    monkeypatch.setattr(urllib.request, "getproxies", dict)
