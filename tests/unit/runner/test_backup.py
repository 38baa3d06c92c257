"""What is left out of a backup of the product's own folder, by the paths borg will walk."""

from pathlib import Path

import pytest

from borgui.config import Config
from borgui.runner.backup import not_ours


@pytest.fixture
def data(tmp_path: Path) -> Config:
    """A data folder at ``real/b/data``, and ``link`` to ``real``."""
    (tmp_path / "real/b/data/mounts/7").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    return Config(data_dir=tmp_path / "link/b/data", redis_url="redis://nowhere")


@pytest.mark.parametrize(
    ("source", "inside"),
    [("real", "real/b/data"), ("link/b", "link/b/data"), ("link/b/data", "link/b/data")],
)
def test_below_a_source(data: Config, tmp_path: Path, source: str, inside: str) -> None:
    assert list(not_ours(data, [str(tmp_path / source)], ["secret.key"])) == [
        f"pf:{tmp_path / inside}/secret.key",
        f"pp:{tmp_path / inside}/mounts",
        f"pp:{tmp_path / inside}/drills",
    ]


def test_above_a_source(data: Config, tmp_path: Path) -> None:
    source = f"{tmp_path}/link/b/data/mounts/7"
    assert list(not_ours(data, [source], ["secret.key"])) == [f"pp:{source}"]


def test_elsewhere(data: Config, tmp_path: Path) -> None:
    assert list(not_ours(data, [f"{tmp_path}/real/b/dat", "/usr"], ["secret.key"])) == []
    assert f"pf:{tmp_path}/real/b/data/secret.key" in not_ours(data, ["/"], ["secret.key"])
