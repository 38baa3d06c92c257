"""The count beside a backup against what borg itself counts."""

import os
import threading
from pathlib import Path

import pytest

from borgui.borg import commands
from borgui.borg.patterns import Matcher
from borgui.runner import program
from borgui.runner.scan import Walk
from borgui.runner.spec import Spec, Step, pack
from tests.integration.runner.machine_at_work import Machine, create, wait_for


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of every sort."""
    tree = tmp_path / "tree"
    for folder in ("a/b", "cache", "tagged", "node_modules/x", "deep/" + "d/" * 300):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "file.txt").write_text(folder)
        (tree / folder / "file.o").write_text("object")
    (tree / "cache/CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    (tree / "tagged/.nobackup").touch()
    os.link(tree / "a/b/file.txt", tree / "a/linked.txt")
    (tree / "a/symbolic").symlink_to("linked.txt")
    (tree / "nowhere").symlink_to("gone")
    os.mkfifo(tree / "fifo")
    (Path(os.fsdecode(os.fsencode(tree) + b"/odd-\xff"))).write_text("odd name")
    return tree


def decoded(step: dict[str, object]) -> Step:
    return Spec.decode({"job": 1, "attempt": 1, "steps": [step]}).steps[0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"excludes": ("*.o",)},
        {"excludes": ("sh:**/node_modules", "re:/d/d/.*txt$")},
        {"exclude_caches": True},
        {"exclude_if_present": (".nobackup", "no-such")},
        {"exclude_caches": True, "exclude_if_present": (".nobackup",), "excludes": ("*/b/*",)},
        {"one_file_system": True},
    ],
    ids=str,
)
def test_counts_as_borg(
    machine: Machine, worker: int, repository: Path, tree: Path, options: dict[str, object]
) -> None:
    sources = (str(tree), str(tree / "missing"), str(tree / "a"))
    made = create(repository, tree)
    made["argv"] = [
        pack(word)
        for word in commands.create(commands.CreateOptions(name="a", sources=sources, **options))  # type: ignore[arg-type]
    ]
    made["parameters"] = {"sources_b64": [pack(source) for source in sources], **options}
    result = machine.run([made])
    stats = result["result"]["create"]["archive"]["stats"]
    walk = Walk.of(decoded(made), program.base_environment(machine.config))
    assert walk is not None

    total = walk.count(threading.Event())
    assert total is not None
    assert total.nfiles == stats["nfiles"]
    # the last figure of borg 1.2, but not its progress, has the archive's own description in it
    assert 0 <= stats["original_size"] - total.original_size < 1500


def test_stops(tree: Path) -> None:
    stop = threading.Event()
    stop.set()

    assert Walk([str(tree)], Matcher([])).count(stop) is None


def test_unknown_flags_have_no_total(repository: Path, tree: Path) -> None:
    made = create(repository, tree)
    made["parameters"] |= {"extra_flags": True}

    assert Walk.of(decoded(made), {}) is None


def test_total_makes_the_percentage(
    machine: Machine, worker: int, repository: Path, slow_source: Path
) -> None:
    machine.send(machine.seal([create(repository, slow_source)]))

    assert wait_for(lambda: machine.state().eta_seconds)


def test_sources_that_have_grown_are_counted(
    machine: Machine, worker: int, repository: Path, slow_source: Path
) -> None:
    """The last archive's size says nothing any more, once borg has read more than that."""
    made = create(repository, slow_source)
    made["parameters"] |= {"expected": {"original_size": 1_000_000, "nfiles": 1}}
    machine.send(machine.seal([made]))

    def is_known() -> bool:
        state = machine.state()
        return (state.original_size or 0) > 2_000_000 and bool(state.eta_seconds)

    wait_for(is_known)
