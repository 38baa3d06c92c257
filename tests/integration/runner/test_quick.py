"""The folder picker's questions, answered by a real quick worker."""

import os
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from borgui import live, queueing
from borgui.runner.quick import folder
from tests.integration.runner.machine_at_work import Machine


def encoded(path: str | Path) -> str:
    return b64encode(os.fsencode(path)).decode()


@pytest.fixture
def tree(tmp_path: Path, machine: Machine) -> Path:
    tree = tmp_path / "tree"
    (tree / "Beta").mkdir(parents=True)
    (tree / "alpha").mkdir()
    (tree / "file").touch()
    (tree / "link").symlink_to("alpha")
    (tree / "broken").symlink_to("gone")
    (tree / "to-data").symlink_to(machine.config.data_dir)
    Path(os.fsdecode(os.fsencode(tree) + b"/odd-\xff")).mkdir()
    return tree


def ask(machine: Machine, path: str | Path, **more: Any) -> dict[str, Any]:
    return folder(encoded(path), machine.config.data_dir, more.get("folders_only", True))


def test_by_the_worker(machine: Machine, tree: Path) -> None:
    machine.start_quick()
    request = live.new_request()
    queueing.enqueue(
        queueing.connect(machine.url),
        queueing.quick_queue("local"),
        queueing.LIST_FOLDER,
        request,
        encoded(tree),
        time_limit=10,
        ttl=10,
    )
    found = live.await_answer(live.connect(machine.url, timeout=6), request, 5)

    assert [entry["name"] for entry in found["entries"]] == ["alpha", "Beta", "link", "odd-\\xff"]
    assert [entry["is_link"] for entry in found["entries"]] == [False, False, True, False]
    assert found["entries"][3]["path_b64"] == encoded(os.fsencode(tree) + b"/odd-\xff")
    assert found["path"] == str(tree)
    assert found["parent_b64"] == encoded(tree.parent)
    assert (found["truncated"], found["error"]) == (False, None)


def test_no_answer(machine: Machine) -> None:
    assert live.await_answer(live.connect(machine.url, timeout=3), "none", 0.1) is None


def test_files_too(machine: Machine, tree: Path) -> None:
    names = [entry["name"] for entry in ask(machine, tree, folders_only=False)["entries"]]

    assert names == ["alpha", "Beta", "link", "odd-\\xff", "broken", "file"]


def test_many(machine: Machine, tmp_path: Path) -> None:
    for number in range(2001):
        (tmp_path / "many" / f"{number:04}").mkdir(parents=True)
    found = ask(machine, tmp_path / "many")

    assert (len(found["entries"]), found["truncated"]) == (2000, True)
    assert found["entries"][-1]["name"] == "1999"


@pytest.mark.parametrize("below", ["", "/", "/run", "/../data/logs"])
def test_data_folder_is_not_shown(machine: Machine, below: str) -> None:
    found = ask(machine, f"{machine.config.data_dir}{below}")

    assert found["entries"] == []
    assert "data folder" in found["error"]


def test_link_into_the_data_folder(machine: Machine, tree: Path) -> None:
    assert "data folder" in ask(machine, tree / "to-data" / "logs")["error"]


@pytest.mark.parametrize(
    ("path", "words"),
    [("/no/such", "does not exist"), ("/etc/passwd", "is a file"), ("etc", "slash"), ("", "slash")],
)
def test_refused(machine: Machine, path: str, words: str) -> None:
    assert words in ask(machine, path)["error"]


def test_no_base64(machine: Machine) -> None:
    assert folder("?", machine.config.data_dir, folders_only=True)["error"] == "This is no path."


def test_not_readable(machine: Machine, tmp_path: Path) -> None:
    """As another user, since root may read everything."""
    (tmp_path / "closed").mkdir(mode=0o000)
    script = f"""
import os, sys
from pathlib import Path
from borgui.runner.quick import folder
os.setuid(65534)  # after the imports: this Python may lie where only root can read
print(folder({encoded("/root")!r}, Path("/nowhere"), True)["error"])
"""
    import sys

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "may not read" in done.stdout, done.stderr


def within(
    machine: Machine, path: str | Path, *roots: str | Path, folders_only: bool = True
) -> dict[str, Any]:
    narrowed = tuple(map(str, roots))
    return folder(encoded(path), machine.config.data_dir, folders_only, narrowed)


def names(found: dict[str, Any]) -> list[str]:
    return [entry["name"] for entry in found["entries"]]


def test_only_what_lies_in_the_roots_or_leads_there(machine: Machine, tree: Path) -> None:
    (tree / "alpha" / "inner").mkdir()
    (tree / "alpha" / "out").symlink_to(tree / "Beta")
    (tree / "alpha" / "home").symlink_to("inner")
    (tree / "file2").touch()
    both = tree / "alpha", tree / "Beta"

    one = within(machine, both[0], both[0])
    assert (names(one), one["parent_b64"]) == (["home", "inner"], None)
    assert within(machine, both[0] / "inner", both[0])["parent_b64"] == encoded(both[0])
    for outside in (tree, "/", tree / "Beta", both[0] / "out", both[0] / "..", "/etc"):
        found = within(machine, outside, both[0])
        assert "lies outside" in found["error"], outside
        assert found["entries"] == []

    above = within(machine, tree, *both, folders_only=False)
    assert (names(above), above["error"]) == (["alpha", "Beta"], None)
    assert names(within(machine, "/", *both)) == [both[0].parts[1]]
    assert names(within(machine, both[0], *both)) == ["home", "inner", "out"]
    assert within(machine, tree.parent / "other", *both)["error"]


def test_a_root_may_be_a_link(machine: Machine, tree: Path) -> None:
    (tree / "alpha" / "inner").mkdir()
    assert names(within(machine, tree / "link", tree / "link")) == ["inner"]
