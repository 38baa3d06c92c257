"""Choosing files by chance, comparing them, and counting what is proved."""

import hashlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgui.borg.listing import Attributes, ListingError, mark, parse_checksum, render
from borgui.runner.comparing import Source, compare
from borgui.runner.drilling import MOST_PATH_BYTES, Plan, batches
from borgui.runner.proving import (
    DAMAGED,
    DIFFERS,
    UNLISTED,
    Checking,
    Restored,
    Tally,
    Waiting,
)
from borgui.runner.sampling import Entry, Reservoir, Sampling
from borgui.runner.spool import Spool

BORG_ID = "0123456789abcdef" * 4
ODD = "home/caf\udce9\nx?'\""


def line(
    path: str,
    kind: str = "-",
    size: int = 7,
    source: str = "",
    broken: bool = False,
    borg_id: str = BORG_ID,
) -> bytes:
    item = Attributes(kind, "rw-r--r--", 0, 0, "", "", size, 1_500_000_000_123_456, broken, source)
    return f"{render(item)}\t{path!r}{mark(borg_id)}".rstrip("\n").encode()


def entries(count: int, size: int = 5000) -> Iterator[Entry]:
    return (Entry(f"file-{number}", size, 0, "", False) for number in range(count))


def restored(path: str, digest: str = "d", source: str = "", other: bool = False) -> Restored:
    return Restored(path, source, 7, digest, other)


def listed(path: str, digest: str = "d", kind: str = "-", health: str = "healthy") -> bytes:
    return f"{'-' if kind == 'h' else kind}{kind}rw-r--r--\t{health}\t{digest}\t{path!r}".encode()


def check(
    waiting: list[Restored], lines: list[bytes], links: list[Restored] | None = None
) -> Tally:
    tally = Tally()
    reader = Checking(waiting, links or [], tally)
    for each in lines:
        assert reader.line(each)
    assert reader.halt is None
    reader.finish()
    return tally


# -- choosing --------------------------------------------------------------------------------------


def test_every_file_has_the_same_chance() -> None:
    seen: Counter[str] = Counter()
    chance = random.Random(7)
    for _ in range(4000):
        reservoir = Reservoir(5, chance)
        for entry in entries(20):
            reservoir.offer(entry)
        chosen = [entry.path for entry in reservoir.fitting(10**9)]
        assert len(set(chosen)) == 5
        seen.update(chosen)
    assert len(seen) == 20
    assert all(880 < count < 1120 for count in seen.values()), seen  # 1000 expected, 4 sigma


def test_a_sample_stands_in_the_archives_order_and_never_exceeds_what_there_is() -> None:
    reservoir = Reservoir(50)
    for entry in entries(1000):
        reservoir.offer(entry)
    numbers = [int(entry.path.partition("-")[2]) for entry in reservoir.fitting(10**9)]
    assert numbers == sorted(numbers)
    assert len(numbers) == 50
    few = Reservoir(50)
    for entry in entries(3):
        few.offer(entry)
    assert len(few.fitting(10**9)) == 3


def test_what_does_not_fit_is_left_out() -> None:
    reservoir = Reservoir(10)
    for number in range(8):
        reservoir.offer(Entry(f"small-{number}", 1, 0, "", False))
    reservoir.offer(Entry("large", 10**9, 0, "", False))
    chosen = reservoir.fitting(5 * 4096)
    assert len(chosen) == 5  # each takes a block
    assert "large" not in [entry.path for entry in chosen]
    assert reservoir.fitting(4095) == []


def test_only_regular_files_are_taken(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", Entry) as spool:
        reader = Sampling(spool, BORG_ID)
        for each in (
            line("home", "d"),
            line(ODD),
            line("home/link", "l", 0, "target"),
            line("home/fifo", "p", 0),
            line("home/device", "c", 0),
            line("home/twin", "h", 0, "home/caf?"),
            line("home/lost", broken=True),
            line("home/empty", size=0),
        ):
            assert reader.line(each)
        assert reader.halt is None
        found = list(spool)
    assert [entry.path for entry in found] == [ODD, "home/twin", "home/lost", "home/empty"]
    assert found[0] == Entry(ODD, 7, 1_500_000_000_123_456, "", False)
    assert found[1].source == "home/caf?"
    assert [entry.is_broken for entry in found] == [False, False, True, False]
    assert (reader.files, reader.taken) == (4, 3 * 4096)


@pytest.mark.parametrize("bad", [b"", b"nonsense", b"a\tb\tc", b"\xff\xfe\t'x'"])
def test_what_is_no_listing_ends_it(tmp_path: Path, bad: bytes) -> None:
    with Spool(tmp_path / "spool", Entry) as spool:
        reader = Sampling(spool, BORG_ID)
        reader.line(bad + mark(BORG_ID).rstrip("\n").encode())
        reader.line(line("home/x"))
        assert reader.halt is not None
        assert reader.halt.code == "listing_unreadable"
        assert list(spool) == []


def test_another_archive_of_that_name_ends_it(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", Entry) as spool:
        reader = Sampling(spool, BORG_ID)
        reader.line(line("home/x", borg_id="f" * 64))
        assert reader.halt is not None
        assert reader.halt.code == "archive_changed"
        assert list(spool) == []


def test_batches_fit_into_a_command_line() -> None:
    texts = ["x" * 4000] * 300
    found = list(batches(texts, str))
    assert [text for batch in found for text in batch] == texts
    assert len(found) == 3
    assert all(sum(map(len, batch)) <= MOST_PATH_BYTES for batch in found)
    assert list(batches([], str)) == []


def test_where_the_source_is_known() -> None:
    plan = Plan("a", BORG_ID, None, ("/home/ann", "/srv/b/"))
    assert plan.source_of("home/ann/x") == "/home/ann/x"
    assert plan.source_of("home/ann") == "/home/ann"
    assert plan.source_of("srv/b/c") == "/srv/b/c"
    for path in ("home/anna", "etc/passwd", "srv/bb/c"):
        assert plan.source_of(path) is None
    assert Plan("a", BORG_ID, 1, ("/",)).source_of("etc/x") == "/etc/x"


# -- comparing -------------------------------------------------------------------------------------

MTIME = 1_500_000_000_123_456


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A restored file and its source, alike."""
    for name in ("restored", "source"):
        (tmp_path / name).write_bytes(b"x" * 3_000_000)
        os.utime(tmp_path / name, ns=(0, MTIME * 1000 + 321))
    return tmp_path / "restored", tmp_path / "source"


def compared(pair: tuple[Path, Path], size: int | None = 3_000_000) -> tuple[str, int]:
    read: list[int] = []
    found = compare(str(pair[0].parent), pair[0].name, str(pair[1]), size, MTIME, read.append)
    assert found is not None
    is_digest = found.sha256 == hashlib.sha256(pair[0].read_bytes()).hexdigest()
    assert is_digest == (found.source is not Source.SAME)
    return found.source, sum(read)


def test_the_same(pair: tuple[Path, Path]) -> None:
    assert compared(pair) == (Source.SAME, 3_000_000)
    assert compared(pair, None) == (Source.SAME, 3_000_000)


def test_changed_without_a_new_time(pair: tuple[Path, Path]) -> None:
    content = bytearray(pair[1].read_bytes())
    content[-1] = 0
    pair[1].write_bytes(content)
    os.utime(pair[1], ns=(0, MTIME * 1000))
    assert compared(pair)[0] is Source.OTHER


def test_a_source_that_is_no_measure_any_more(pair: tuple[Path, Path]) -> None:
    source = pair[1]
    os.utime(source, ns=(0, MTIME * 1000 + 3000))
    assert compared(pair)[0] is Source.GONE
    os.utime(source, ns=(0, MTIME * 1000))
    assert compared(pair)[0] is Source.SAME
    assert compared(pair, 2_999_999)[0] is Source.GONE
    source.write_bytes(b"x" * 2_999_999)
    os.utime(source, ns=(0, MTIME * 1000))
    assert compared(pair)[0] is Source.GONE
    source.unlink()
    assert compared(pair)[0] is Source.GONE
    source.symlink_to(pair[0])
    assert compared(pair)[0] is Source.GONE
    source.unlink()
    os.mkfifo(source)
    assert compared(pair)[0] is Source.GONE


def test_a_source_that_changes_while_it_is_read(pair: tuple[Path, Path]) -> None:
    def change(_count: int) -> None:
        pair[1].touch()

    found = compare(str(pair[0].parent), pair[0].name, str(pair[1]), 3_000_000, MTIME, change)
    assert found is not None
    assert found.source is Source.GONE


@pytest.mark.parametrize("gone", [False, True])
def test_it_can_be_stopped_in_a_file(pair: tuple[Path, Path], gone: bool) -> None:
    class StopError(Exception):
        pass

    def stop(_count: int) -> None:
        raise StopError

    if gone:
        pair[1].unlink()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StopError):
        compare(str(pair[0].parent), pair[0].name, str(pair[1]), 3_000_000, MTIME, stop)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_was_not_restored(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    os.mkfifo(tmp_path / "fifo")
    for name in ("none", "folder", "link", "fifo", "fifo/x"):
        assert compare(str(tmp_path), name, None, None, 0, lambda _: None) is None


def test_no_link_is_followed_to_what_was_restored(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("another's")
    (outside / "file").chmod(0o040)
    (tmp_path / "root" / "folder").mkdir(parents=True)
    (tmp_path / "root" / "link").symlink_to(outside)
    (tmp_path / "root" / "folder" / "link").symlink_to(outside)
    (tmp_path / "root" / "file").symlink_to(outside / "file")
    for path in (
        "link/file",
        "folder/link/file",
        "file",
        "../outside/file",
        "folder/../../outside",
    ):
        assert compare(str(tmp_path / "root"), path, None, None, 0, lambda _: None) is None
    assert (outside / "file").stat().st_mode & 0o777 == 0o040
    (tmp_path / "root" / "folder" / "own").write_text("ours")
    found = compare(str(tmp_path / "root"), "./folder//own", None, None, 0, lambda _: None)
    assert found is not None
    assert found.size == 4


# -- counting --------------------------------------------------------------------------------------


def test_checksums_in_the_archives_order() -> None:
    tally = check(
        [restored("a"), restored(ODD, other=True), restored("c", "other"), restored("e")],
        [
            listed("home", "", "d"),
            listed("a"),
            listed("b", "unasked"),
            listed(ODD),
            listed("c"),
            listed("d", "", "h"),
        ],
    )
    assert (tally.files, tally.with_checksums, tally.size) == (4, 2, 28)
    assert tally.differing == {"c": DIFFERS, "e": UNLISTED}
    assert tally.changed == [ODD]
    assert tally.figures(1)["differing_count"] == 2
    assert len(tally.figures(1)["differing_b64"]) == 1


def test_a_part_that_the_repository_has_lost_is_never_proved() -> None:
    tally = check([restored("a")], [listed("a", health="broken")])
    assert tally.differing == {"a": DAMAGED}
    links = [restored("twin", source="a")]
    tally = check([], [listed("a", health="broken")], links)
    assert tally.differing == {"twin": DAMAGED}
    alike = [listed("a?", health="broken"), listed("a\udcff")]
    assert check([], alike, [restored("twin", source="a?")]).differing == {}


def test_of_a_path_that_is_stored_twice_the_last_is_restored() -> None:
    tally = check([restored("a")], [listed("a", "first"), listed("x"), listed("a")])
    assert (tally.differing, tally.files, tally.with_checksums) == ({}, 1, 1)
    tally = check([restored("a")], [listed("a", "first"), listed("a", "second")])
    assert tally.differing == {"a": DIFFERS}


def test_a_further_name_has_the_checksum_of_the_first() -> None:
    links = [restored("z/1", source="a?"), restored("z/2", source="a?"), restored("z/3", "d", "b")]
    lines = [listed("a?", "none"), listed("a\udcff"), listed("z/1", "", "h"), listed("b", "no")]
    tally = check([], lines, links)
    assert tally.differing == {"z/3": DIFFERS}
    assert (tally.files, tally.with_checksums) == (3, 2)
    assert check([], [], links[:1]).differing == {"z/1": UNLISTED}
    assert links[0].pattern.startswith("re:")
    assert (links[2].pattern, restored(ODD).pattern) == ("pf:b", f"pf:{ODD}")


def test_what_waits_is_kept_in_order_however_much_it_is(tmp_path: Path) -> None:
    given = [restored(f"{ODD}{number}") for number in range(Waiting.MOST + 20)]
    with Waiting(tmp_path / "waiting") as waiting:
        for each in given:
            waiting.add(each)
        waiting.add(restored("twin", source="first"))
        assert len(waiting) == len(given) + 1
        assert list(waiting) == given
        assert [each.path for each in waiting.links] == ["twin"]


def test_beyond_a_number_differences_are_only_counted() -> None:
    tally = Tally()
    for number in range(Tally.MOST + 5):
        tally.unproved(str(number), DIFFERS)
    assert tally.differing_count == Tally.MOST + 5
    assert len(tally.differing) == Tally.MOST


@pytest.mark.parametrize("bad", ["", "a\tb", "-\thealthy\td\t'x'", "--rw\thealthy\td\tx"])
def test_what_is_no_checksum(bad: str) -> None:
    with pytest.raises(ListingError):
        parse_checksum(bad)
    reader = Checking([], [], Tally())
    reader.line(bad.encode())
    assert reader.halt is not None
