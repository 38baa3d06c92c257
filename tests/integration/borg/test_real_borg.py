"""What borgui believes of borg, asked of the real one."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from borgui.borg import commands, environment
from borgui.borg.commands import CreateOptions
from borgui.borg.errors import judge
from borgui.borg.events import FileStatus, parse_line
from borgui.borg.evidence import Evidence
from borgui.borg.output import parse_create, parse_info, parse_list
from borgui.borg.patterns import Decision, Matcher


class Borg:
    """A repository of its own for one test, run as the product runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "repo"
        self.source = folder / "source"

    def run(
        self, argv: Sequence[str], extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        env = environment.base(
            borg_home=str(self.folder / "borg"), host_id="test@1", home=str(self.folder / "home")
        )
        env |= {"BORG_REPO": str(self.repository), **(extra or {})}
        read, write = os.pipe()
        os.write(write, b"secret")
        os.close(write)
        env["BORG_PASSPHRASE_FD"] = str(read)
        try:
            return subprocess.run(
                ["borg", *argv],
                env=env,
                pass_fds=[read],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                check=False,
            )
        finally:
            os.close(read)


def evidence(stderr: bytes) -> Evidence:
    found = Evidence()
    for line in stderr.split(b"\n"):
        for event in parse_line(line):
            found.feed(event)
    return found


@pytest.fixture
def borg(tmp_path: Path) -> Borg:
    made = Borg(tmp_path)
    made.source.mkdir()
    done = made.run(commands.init("repokey-blake2"))
    assert judge("init", done.returncode, evidence(done.stderr)).status == "completed"
    return made


def test_life_of_a_repository(borg: Borg) -> None:
    for name in ("--dash", "plain", "left.pyc"):
        (borg.source / name).write_text("x" * 100)
    options = CreateOptions(
        "-name {{x}}",
        (str(borg.source),),
        "zstd,3",
        excludes=("*.pyc", "-x"),
        extra=("--comment=of now",),
    )
    done = borg.run(commands.create(options))
    created = parse_create(done.stdout)
    assert (done.returncode, created.stats.nfiles) == (0, 2)
    (archive,) = parse_list(borg.run(commands.list_archives()).stdout).archives
    assert (archive.name, archive.comment) == ("-name {x}", "of now")
    for last in (None, 1):
        described = parse_info(borg.run(commands.info_archives(last)).stdout)
        (known,) = described.archives
        # info counts the files' bytes, create its own metadata as well
        assert known.stats is not None
        assert (known.stats.original_size, known.stats.nfiles) == (200, 2)
        assert created.stats.original_size > 200
        assert known.borg_id == archive.borg_id
        assert described.repository.cache
    assert borg.run(commands.break_lock()).returncode == 0
    again = borg.run(commands.create(options))
    verdict = judge("create", again.returncode, evidence(again.stderr))
    assert verdict.error_code == "archive_exists"
    assert borg.run(commands.delete_repository()).returncode == 2
    assert borg.run(commands.delete_repository(), environment.CONFIRM_DELETE).returncode == 0
    assert not borg.repository.exists()


def test_sources_that_are_not_utf8(borg: Borg) -> None:
    odd = os.fsencode(borg.source) + b"/caf\xe9"
    for folder in (odd, os.fsencode(borg.source) + b"/cafe", odd + b"/skip\xe9"):
        Path(os.fsdecode(folder)).mkdir()
        Path(os.fsdecode(folder + b"/file")).write_text("x")
    source = os.fsdecode(odd)
    done = borg.run(
        commands.create(CreateOptions("a", (source,), excludes=(f"{source}/skip\udce9",)))
    )
    assert (done.returncode, parse_create(done.stdout).stats.nfiles) == (0, 1)


def test_missing_source_beside_a_readable_one(borg: Borg) -> None:
    (borg.source / "file").write_text("x")
    missing = str(borg.folder / "gone")
    sources = (str(borg.source), missing)
    done = borg.run(commands.create(CreateOptions("a", sources)))
    verdict = judge(
        "create",
        done.returncode,
        evidence(done.stderr),
        created=parse_create(done.stdout),
        sources=sources,
    )
    assert (verdict.status, verdict.unread_sources) == ("completed", (missing,))


TREE = [
    "a/x.o",
    "a/x.c",
    "a/sub/x.o",
    "a/sub/deep/y",
    "a/[z]/q",
    "b/.cache/f",
    "b/cache/g",
    "b/a/x.o",
    "top.o",
    "c-d/e",
    "a/sub2/k",
    "b/x]y",
    "b/^h",
]

EXCLUDES = (
    "*.o",
    "*/x.o",
    "{}/a/sub",
    "{}/a/sub/",
    "sh:{}/a/*.o",
    "sh:{}/**/x.o",
    "sh:**/sub",
    "sh:**/sub/",
    "sh:{}/?/x.?",
    "sh:**/[!a-c]*",
    "sh:**/[]]*",
    "sh:**/x[]]y",
    "sh:{}/a/[]",
    "sh:{}/a/[!]",
    "sh:**/[^]h",
    "sh:{}/a/[",
    "re:x\\.o$",
    "re:/sub",
    "pp:{}/a/sub",
    "pp:{}/a/su",
    "pf:{}/a/x.o",
    "pf:{}/a",
    "{}/a/[[]z]",
    "{}/b/.*",
    "{}//a/./sub/../sub2",
    "*",
    "{}",
)

PATTERN_SETS = (
    *((("--exclude", text),) for text in EXCLUDES),
    (("--pattern", "+ {}/a/sub"), ("--exclude", "{}/a")),
    (("--pattern", "+ {}/a/sub"), ("--pattern", "- {}/a")),
    (("--pattern", "+ **/x.c"), ("--pattern", "! {}/a")),
    (("--pattern", "+ pf:{}/a/x.o"), ("--exclude", "*.o")),
    (("--exclude", "*.o"), ("--pattern", "+ pf:{}/a/x.o")),
)


@pytest.mark.parametrize("rules", PATTERN_SETS)
def test_matcher_agrees_with_borg(borg: Borg, rules: tuple[tuple[str, str], ...]) -> None:
    for name in TREE:
        path = borg.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    argv = [f"{flag}={text.replace('{}', str(borg.source))}" for flag, text in rules]
    done = borg.run(
        ["create", "--log-json", "--dry-run", "--list", *argv, "--", "::a", str(borg.source)]
    )
    assert done.returncode == 0, done.stderr
    stored = set()
    for line in done.stderr.split(b"\n"):
        for event in parse_line(line):
            if isinstance(event, FileStatus) and event.status == "-":
                stored.add(event.path)
    assert walk(Matcher.from_argv(argv), str(borg.source)) == stored


def walk(matcher: Matcher, path: str) -> set[str]:
    decision = matcher.decide(path)
    found = {path} if decision is Decision.INCLUDE else set()
    if decision is not Decision.EXCLUDE and Path(path).is_dir():
        for name in os.listdir(path):  # noqa: PTH208 -- as the size scan does it
            found |= walk(matcher, f"{path}/{name}")
    return found
