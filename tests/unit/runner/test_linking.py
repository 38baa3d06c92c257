"""The link by which borg reaches a repository whose path it cannot be given."""

import os
import shutil
from pathlib import Path

import pytest

from borgui.config import Config
from borgui.runner.failure import FailedError
from borgui.runner.linking import reachable

ODD = os.fsdecode(b"/srv/caf\xe9")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    made = Config(tmp_path / "data")
    made.make_folders()
    return made


def links(config: Config) -> list[Path]:
    return list(config.links.iterdir())


@pytest.mark.parametrize("path", ["/srv/plain", "ssh://host/caf\udce9", None])
def test_all_else_stays_as_it_is(config: Config, path: str | None) -> None:
    env = {} if path is None else {"BORG_REPO": path}
    with reachable(config, env) as given:
        assert given == (env, None)
        assert links(config) == []


def test_it_leads_there_while_it_is_needed(config: Config) -> None:
    with reachable(config, {"BORG_REPO": ODD, "TZ": "UTC"}) as (env, leads_to):
        link = Path(env["BORG_REPO"])
        assert (str(link.readlink()), leads_to, env["TZ"]) == (ODD, ODD, "UTC")
        assert str(link).isascii()
    assert links(config) == []
    with reachable(config, {"BORG_REPO": ODD}) as (env, _):
        assert env["BORG_REPO"] == str(link)


def test_the_last_of_several_takes_it_away(config: Config) -> None:
    first, second = reachable(config, {"BORG_REPO": ODD}), reachable(config, {"BORG_REPO": ODD})
    with second:
        with first as (env, _):
            link = Path(env["BORG_REPO"])
        assert str(link.readlink()) == ODD
        with reachable(config, {"BORG_REPO": f"{ODD}2"}):
            pass
        assert str(link.readlink()) == ODD
    assert links(config) == []


def test_what_stands_there_is_made_right(config: Config) -> None:
    """A link that a killed run has left, or somebody has turned, is made anew; others go."""
    with reachable(config, {"BORG_REPO": ODD}) as (env, _):
        link = Path(env["BORG_REPO"])
    link.symlink_to("/elsewhere")
    (config.links / "stale").symlink_to("/elsewhere")
    with reachable(config, {"BORG_REPO": ODD}):
        assert str(link.readlink()) == ODD
    assert links(config) == []


def test_it_goes_when_the_run_fails(config: Config) -> None:
    with pytest.raises(ValueError, match="x"), reachable(config, {"BORG_REPO": ODD}):
        raise ValueError("x")
    assert links(config) == []


@pytest.mark.parametrize("name", ["d\udce9", "d{now}", "d::"])
def test_the_data_folder_must_be_plain(tmp_path: Path, name: str) -> None:
    config = Config(tmp_path / name)
    config.make_folders()
    with (
        pytest.raises(FailedError, match="Move the data folder"),
        reachable(config, {"BORG_REPO": ODD}),
    ):
        pass


def test_without_a_place_for_it_nothing_runs(config: Config) -> None:
    config.links.rmdir()
    config.links.write_text("no folder")
    with pytest.raises(FailedError) as failed, reachable(config, {"BORG_REPO": ODD}):
        pass
    assert failed.value.code == "data_folder"
    shutil.rmtree(config.run)
    with pytest.raises(FailedError), reachable(config, {"BORG_REPO": ODD}):
        pass
