"""One product for the tests that leave it whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.product import Product, running


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("product") / "data") as started:
        yield started


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small folder to back up."""
    folder = tmp_path / "source"
    (folder / "letters").mkdir(parents=True)
    (folder / "letters" / "a.txt").write_text("a letter")
    (folder / "photo.bin").write_bytes(bytes(range(256)) * 1000)
    return folder


@pytest.fixture(scope="module")
def big_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough to back up that a backup takes some seconds."""
    import os

    folder = tmp_path_factory.mktemp("big")
    for number in range(12):
        (folder / f"{number}.bin").write_bytes(os.urandom(20_000_000))
    return folder
