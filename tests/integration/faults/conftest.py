"""One product for all faults: each test leaves it whole, or has it started again."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.faults.havoc import Place
from tests.integration.product import Product


@pytest.fixture(scope="session")
def _product() -> Iterator[Product]:
    # Not pytest's own folder: the path of a Unix socket may have 107 bytes only.
    folder = Path(tempfile.mkdtemp(prefix="borgui-faults-"))
    product = Product(folder / "data")
    try:
        yield product
    finally:
        if product.process is not None and product.process.poll() is None:
            product.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def product(_product: Product) -> Product:
    """A healthy product, signed in, with its default settings."""
    if _product.process is None or _product.process.poll() is not None:
        _product.start()
    _product.wait_healthy()
    if _product.token is None:
        _product.sign_in()
    defaults = {"retry_limit": 3, "retry_delay_seconds": 60, "log_retention_jobs": 100}
    assert _product.request("PUT", "/api/settings", defaults).status == 200
    return _product


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``tiny`` is backed up at once, ``small`` in a second or more, ``large`` in ten or more
    (both with ``lzma,9``, which is what makes them slow)."""
    folder = tmp_path_factory.mktemp("sources")
    found = {}
    for name, files in (("tiny", 0), ("small", 3), ("large", 30)):
        found[name] = folder / name
        found[name].mkdir()
        (found[name] / "letter.txt").write_text(name)
        for number in range(files):
            (found[name] / f"{number}.bin").write_bytes(os.urandom(1_000_000))
    return found


@pytest.fixture(scope="session")
def _places() -> dict[str, Place]:
    return {}


def _place(
    name: str,
    product: Product,
    places: dict[str, Place],
    sources: dict[str, Path],
    factory: pytest.TempPathFactory,
) -> Place:
    if name not in places:
        path = factory.mktemp(f"{name}-repository") / "repository"
        repo_id = product.add_repository(name, path, [sources[name]], compression="lzma,9")
        places[name] = Place(product, repo_id, path)
    return places[name]


@pytest.fixture
def tiny(
    product: Product,
    _places: dict[str, Place],
    sources: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    """A repository whose backups take no time."""
    return _place("tiny", product, _places, sources, tmp_path_factory)


@pytest.fixture
def small(
    product: Product, sources: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> Place:
    """A new repository whose first backup takes a second: time enough to stop it."""
    name = f"small {request.node.name}"[:100]
    path = tmp_path / "repository"
    repo_id = product.add_repository(name, path, [sources["small"]], compression="lzma,9")
    return Place(product, repo_id, path)


@pytest.fixture
def large(
    product: Product,
    _places: dict[str, Place],
    sources: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    """A repository whose first whole backup takes ten seconds and more: it is never let end."""
    return _place("large", product, _places, sources, tmp_path_factory)
