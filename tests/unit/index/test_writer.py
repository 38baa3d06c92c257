"""What a writer leaves behind: shared folders, whole archives, nothing of a crash."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from borgui.config import ROOT
from borgui.index import (
    ArchiveIndex,
    IndexMissing,
    IndexWriter,
    ListingError,
    Query,
    Sort,
    carry_over,
    discard,
    discard_for_good,
    drop,
    keep_only,
    search,
)
from tests.unit.index.listings import Line, attributes, printed, write


def feed_all(writer: IndexWriter, pieces: Iterable[bytes]) -> None:
    """The whole of a listing."""
    for piece in pieces:
        writer.feed(piece)
    writer.finish()


def tree(folders: int, files: int, changed: int | None = None) -> Iterator[Line]:
    """Folders of files in ``srv``; one file of the folder ``changed`` is another."""
    yield "srv", attributes("d")
    for folder in range(folders):
        yield f"srv/{folder:04}", attributes("d")
        for file in range(files):
            size = 7 if (folder, file) == (changed, 0) else file
            item = attributes(size=size, mtime=folder)  # so that no two folders are alike
            yield f"srv/{folder:04}/file-{file:05}.dat", item


def count(path: Path, table: str) -> int:
    with ArchiveIndex(path) as index:
        return int(index.connection.execute(f"select count(*) from {table}").fetchone()[0])


def test_an_unchanged_tree_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    write(path, "one", tree(100, 50))
    size, nodes = path.stat().st_size, count(path, "nodes")
    write(path, "two", tree(100, 50))
    assert path.stat().st_size == size
    assert count(path, "nodes") == nodes == 102
    write(path, "three", tree(100, 50, changed=3))
    assert count(path, "nodes") == nodes + 3  # the folder, srv, and the root
    assert path.stat().st_size - size < 64 * 1024


def test_an_archive_known_by_another_id(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    write(path, "one", tree(3, 5))
    assert carry_over(path, "one", "two")
    assert carry_over(path, "one", "two")
    drop(path, "one")
    with ArchiveIndex(path) as index:
        assert list(index.roots()) == ["two"]
        assert index.folder("two", "srv").total == 3
    assert not carry_over(path, "one", "three")
    assert not carry_over(tmp_path / "2.db", "one", "two")
    drop(path, "two")
    assert count(path, "nodes") == 0
    assert not (tmp_path / "2.db").exists()


def test_dropping_gives_the_space_back(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    write(path, "one", tree(3, 3))
    size = path.stat().st_size
    write(path, "two", tree(100, 100))
    assert path.stat().st_size > 4 * size
    drop(path, "two")
    assert path.stat().st_size < 2 * size
    assert drop(tmp_path / "2.db", "one") is False


def test_only_what_is_still_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    assert keep_only(path, {"one"}) == 0
    assert list(tmp_path.iterdir()) == []
    for number, borg_id in enumerate(("one", "two", "three")):
        write(path, borg_id, tree(3, 3, changed=number))
    assert keep_only(path, {"two", "another"}) == 2
    with ArchiveIndex(path) as index:
        assert list(index.roots()) == ["two"]
    assert count(path, "nodes") == 5
    with patch("borgui.index.sweeping.sweep"):
        assert keep_only(path, set()) == 1
    assert count(path, "nodes") == 5
    assert keep_only(path, set()) == 0  # frees what an earlier one had no time for
    assert count(path, "nodes") == 0


def test_an_archive_indexed_again_replaces_the_first(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    write(path, "one", tree(20, 20))
    write(path, "one", tree(1, 1))
    with ArchiveIndex(path) as index:
        (archive,) = index.archives()
        assert (archive.entries, archive.files) == (3, 1)
    assert count(path, "nodes") == 3


def test_one_folder_of_twenty_thousand(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    names = [f"{number:06}.dat" for number in range(20_000)]
    shuffled = random.Random(1).sample(names, len(names))
    lines: list[Line] = [("flat", attributes("d"))]
    lines += [(f"flat/{name}", attributes(size=int(name[:6]) * 7 % 20_000)) for name in shuffled]
    lines += [("flat/folder", attributes("d")), ("flat/folder/x", attributes())]
    write(path, "one", lines)
    with ArchiveIndex(path) as index:
        page = index.folder("one", "flat", offset=10_001, limit=3)
        assert [entry.name for entry in page.entries] == names[10_000:10_003]
        assert (page.total, page.folders) == (20_001, 1)
        page = index.folder("one", "flat", sort=Sort.SIZE, offset=1, limit=1000)
        assert [entry.size for entry in page.entries] == list(range(1000))
        page = index.folder("one", "flat", sort=Sort.SIZE, is_descending=True, limit=3)
        assert [entry.size for entry in page.entries] == [0, 19_999, 19_998]
        assert index.entry("one", "flat/017777.dat").size == 17_777 * 7 % 20_000
        assert [hit.path for hit in search(index, Query("17777")).hits] == ["flat/017777.dat"]
    write(path, "two", lines[::-1])
    with ArchiveIndex(path) as index:
        assert index.root("one") == index.root("two")
    drop(path, "one")
    drop(path, "two")
    assert (count(path, "nodes"), count(path, "entries")) == (0, 0)


def test_a_list_in_no_order(tmp_path: Path) -> None:
    """As ``borg create --paths-from-stdin`` may make it."""
    path = tmp_path / "1.db"
    lines = list(tree(40, 40))
    write(path, "one", lines)
    random.Random(1).shuffle(lines)
    write(path, "two", lines)
    with ArchiveIndex(path) as index:
        assert index.root("one") == index.root("two")
    assert count(path, "nodes") == 42


def test_deep_paths(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    deep = "/".join(["d"] * 2000)
    write(path, "one", [(f"{deep}/file", attributes(size=5))])
    with ArchiveIndex(path) as index:
        assert index.entry("one", f"{deep}/file").size == 5
        assert index.folder("one").entries[0].size == 5
        assert search(index, Query("FILE")).hits[0].path == f"{deep}/file"


def test_nothing_is_known_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    with pytest.raises(IndexMissing):
        ArchiveIndex(path)
    data = printed(tree(200, 50))
    with IndexWriter(path, "one") as writer:
        writer.feed(data)
        with ArchiveIndex(path) as index:
            assert not index.has("one")
            assert count(path, "nodes") > 0
    assert count(path, "nodes") == count(path, "entries") == count(path, "blocks") == 0


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"no line of borg\n",
        b"\xff\t'x'\n",
        b"a\tb\t'x'\n",
        b"a\t'x\\\n",
        b"a\t'x",
        printed([("x", attributes())]).replace(b"\t0\t", b"\tmuch\t", 1),
    ],
)
def test_what_borg_never_prints(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "1.db"
    with IndexWriter(path, "one") as writer, pytest.raises(ListingError):
        feed_all(writer, [printed([("a", attributes())]) + line])
    with ArchiveIndex(path) as index:
        assert not index.has("one")


def test_a_line_without_end_is_not_kept_for_ever(tmp_path: Path) -> None:
    with IndexWriter(tmp_path / "1.db", "one") as writer, pytest.raises(ListingError, match="end"):
        feed_all(writer, [b"x" * 65536] * 40)


DYING = """
import os, signal, sys
from pathlib import Path
from borgui.index import IndexWriter
from tests.unit.index.listings import printed
from tests.unit.index.test_writer import tree
writer = IndexWriter(Path(sys.argv[1]), "two")
writer.feed(printed(tree(300, 50, changed=5)))
print("fed", flush=True)
sys.stdin.read()
"""


def test_a_killed_writer_leaves_what_the_next_one_frees(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    write(path, "one", tree(10, 50))
    before = count(path, "nodes")
    command = [sys.executable, "-c", DYING, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == b"fed\n"
        assert count(path, "nodes") > before
        write(path, "other", tree(10, 50))  # while the other is at work: nothing of it is freed
        assert count(path, "nodes") > before
        os.kill(dying.pid, signal.SIGKILL)
    write(path, "three", tree(10, 50))
    assert count(path, "nodes") == before
    with ArchiveIndex(path) as index:
        assert {archive.borg_id for archive in index.archives()} == {"one", "other", "three"}


def test_two_writers_and_readers_at_once(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    write(path, "zero", tree(20, 20))
    errors: list[BaseException] = []

    def index_some(number: int) -> None:
        try:
            for turn in range(3):
                write(path, f"{number}-{turn}", tree(150, 30, changed=number * 3 + turn))
                drop(path, f"{number}-{turn - 1}")
                with ArchiveIndex(path) as index:
                    assert index.folder("zero", "srv/0003").total == 20
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=index_some, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for number in range(3):
        with ArchiveIndex(path) as index:
            (archive,) = [each for each in index.archives() if each.borg_id == f"{number}-2"]
            assert archive.files == 150 * 30
        drop(path, f"{number}-2")
    drop(path, "zero")
    assert count(path, "nodes") == count(path, "entries") == count(path, "blocks") == 0


def test_a_reader_keeps_what_it_has_seen(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    write(path, "one", tree(5, 5))
    with ArchiveIndex(path) as index:
        drop(path, "one")
        assert index.folder("one", "srv").total == 5
    with ArchiveIndex(path) as index:
        assert not index.has("one")


@pytest.mark.parametrize("content", [b"", b"no database" * 1000, "another version"])
def test_a_useless_file_is_made_anew(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "1.db"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write(path, "zero", tree(2, 2))
        connection = sqlite3.connect(path)
        connection.execute("pragma user_version = 999")
        connection.close()
    with pytest.raises((IndexMissing, sqlite3.DatabaseError)):
        ArchiveIndex(path)
    write(path, "one", tree(2, 2))
    with ArchiveIndex(path) as index:
        assert list(index.roots()) == ["one"]
    assert discard(path)
    assert discard(path)
    assert list(tmp_path.iterdir()) == [tmp_path / "1.db-lock"]
    assert discard_for_good(path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_being_written_is_not_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "1.db"
    with IndexWriter(path, "one") as writer:
        assert not discard(path)
        assert not discard_for_good(path)
        feed_all(writer, [printed(tree(2, 2))])
    with ArchiveIndex(path) as index:
        assert list(index.roots()) == ["one"]
    assert discard(path)
    with IndexWriter(path, "one"):
        assert not discard(path)
