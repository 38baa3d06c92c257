"""A real archive, listed by borg as the worker asks it, is in the index as it was on disk."""

import os
import pwd
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from borgui.borg import commands, environment
from borgui.index import ArchiveIndex, Entry, IndexWriter, Kind, Query, search

ODD = os.fsdecode(b"caf\xe9")
NAMES = ["plain", "é", "e\u0301", "a\nb", "tab\tx", "it's", "q\"u'o", "back\\slash", "lit?", ODD]
ARCHIVE = "an {odd} name"
SAID = f"::{commands.escape_braces(ARCHIVE)}"


class Borg:
    """A repository of its own, run as the product runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = environment.base(
            borg_home=str(folder / "borg"), host_id="test@1", home=str(folder / "home")
        )
        self.env |= {"BORG_REPO": str(folder / "repository"), **environment.ACCEPT_UNENCRYPTED}
        self.run("init", "--encryption=none")

    def run(self, *argv: str, cwd: Path | None = None) -> bytes:
        done = subprocess.run(
            ["borg", *argv], env=self.env, capture_output=True, check=False, cwd=cwd
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def index(self, name: str, path: Path) -> None:
        marked = self.run("list", "--format={id}", "--last=1").decode()
        with IndexWriter(path, name, marked=marked) as writer:
            writer.feed(self.run(*commands.list_archive(name)))
            writer.finish()


@pytest.fixture
def borg(tmp_path: Path) -> Borg:
    return Borg(tmp_path)


def make_source(folder: Path) -> None:
    (folder / "names").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        file = folder / "names" / name
        file.write_bytes(b"x" * number)
        os.utime(file, ns=(0, 1_600_000_000_123_456_789 + number))
    (folder / "empty").mkdir(mode=0o2750)
    (folder / "link").symlink_to(os.fsencode("to/caf\udce9"))
    (folder / "second").hardlink_to(folder / "names" / "plain")
    os.mkfifo(folder / "fifo", 0o640)


def everything(index: ArchiveIndex, folder: str = "") -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in index.folder(ARCHIVE, folder, limit=1000).entries:
        found[entry.path] = entry
        if entry.kind is Kind.FOLDER:
            found |= everything(index, entry.path)
    return found


def test_all_kinds_and_names(borg: Borg, tmp_path: Path) -> None:
    source = tmp_path / "source"
    make_source(source)
    borg.run("create", SAID, str(source))
    borg.index(ARCHIVE, tmp_path / "1.db")
    with ArchiveIndex(tmp_path / "1.db") as index:
        found = everything(index)
    top = str(source).lstrip("/")
    below = {path: entry for path, entry in found.items() if path.startswith(f"{top}/")}
    on_disk = {str(path).lstrip("/"): path for path in source.rglob("*")}
    assert below.keys() == on_disk.keys()
    for path, entry in below.items():
        check(entry, on_disk[path])
    assert {entry.kind for entry in below.values()} == set(Kind) & {
        Kind.FILE, Kind.FOLDER, Kind.SYMLINK, Kind.HARD_LINK, Kind.FIFO
    }  # fmt: skip
    assert [entry.name for entry in below.values() if entry.is_odd] == [ODD]
    assert below[f"{top}/link"].link_target == "to/caf?"
    assert below[f"{top}/empty"].files == 0
    assert below[f"{top}/names"].files == len(NAMES)
    assert found[top.split("/")[0]].mode is None  # above the source: borg does not list it


def check(entry: Entry, path: Path) -> None:
    there = path.lstat()
    assert stat.filemode(there.st_mode)[1:] == entry.mode
    assert (entry.uid, entry.gid, entry.user) == (
        there.st_uid,
        there.st_gid,
        pwd.getpwuid(there.st_uid).pw_name,
    )
    assert entry.mtime is not None
    # borg's own arithmetic on times is a float's
    assert abs(entry.mtime.timestamp() - there.st_mtime) < 0.000_002
    if entry.kind is Kind.FILE:
        assert entry.size == there.st_size
    if entry.kind is Kind.HARD_LINK:
        assert entry.size is None
        assert there.st_nlink == 2


def test_sources_in_any_order(borg: Borg, tmp_path: Path) -> None:
    """Parents that are not listed, folders that come back, a source within another."""
    for name in ("a/x/1", "a/y/2", "b/3", "a/x/deep/4"):
        (tmp_path / "srv" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "srv" / name).write_text(name)
    sources = ["srv/a/x/deep", "srv/b", "srv/a/y", "srv/a"]
    borg.run("create", SAID, *sources, cwd=tmp_path)
    borg.index(ARCHIVE, tmp_path / "1.db")
    with ArchiveIndex(tmp_path / "1.db") as index:
        found = everything(index)
        assert {hit.path for hit in search(index, Query("4")).hits} == {"srv/a/x/deep/4"}
    assert found.keys() == {
        "srv", "srv/a", "srv/a/x", "srv/a/x/1", "srv/a/x/deep", "srv/a/x/deep/4", "srv/a/y",
        "srv/a/y/2", "srv/b", "srv/b/3",
    }  # fmt: skip
    assert found["srv"].mode is None
    assert found["srv/a"].mode == "rwxr-xr-x"


def test_what_the_index_calls_it_can_be_restored(borg: Borg, tmp_path: Path) -> None:
    """The whole name is known, so that an odd one is told from its likeness with a ``?``."""
    for name in (ODD, "caf?"):
        (tmp_path / "srv").mkdir(exist_ok=True)
        (tmp_path / "srv" / name).write_bytes(os.fsencode(name))
    borg.run("create", SAID, "srv", cwd=tmp_path)
    borg.index(ARCHIVE, tmp_path / "1.db")
    with ArchiveIndex(tmp_path / "1.db") as index:
        odd, plain = (index.entry(ARCHIVE, f"srv/{name}") for name in (ODD, "caf?"))
    assert (odd.is_odd, plain.is_odd) == (True, False)
    tar = borg.run("export-tar", SAID, "-", odd.path)
    (tmp_path / "one.tar").write_bytes(tar)
    with tarfile.open(tmp_path / "one.tar") as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member)
        assert content is not None
        assert content.read() == b"caf\xe9"
