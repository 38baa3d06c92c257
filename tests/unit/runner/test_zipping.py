"""Zips made from tar streams, and what cannot be made into one."""

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgui.runner.packing import Part, Plain, Zstd
from borgui.runner.zipping import BadStreamError, FromTar, OneFile, Zip


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size, member.mtime = kind, link, size, 1_500_000_001
    member.mode = 0o640
    return member


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Part]:
    with Part(tmp_path / "1.part") as made:
        yield made


def feed(packer: FromTar, data: bytes) -> None:
    for start in range(0, len(data), 1000):
        packer.write(data[start : start + 1000])
    packer.finish()
    packer.abort()


def test_entries_of_every_type(part: Part, tmp_path: Path) -> None:
    noise = os.urandom(700_000) + bytes(3_000_000)
    data = tar_of(
        (entry("a/", tarfile.DIRTYPE), b""),
        (entry("a/noise"), noise),
        (entry("a/same", tarfile.LNKTYPE, "a/noise"), b""),
        (entry("a/again", tarfile.LNKTYPE, "a/noise"), b""),
        (entry("a/empty"), b""),
        (entry("a/link", tarfile.SYMTYPE, "caf\udce9"), b""),
        (entry("a/caf\udce9"), b"odd"),
        (entry("a/ü" + "long" * 60), b"long"),
        (entry("a/fifo", tarfile.FIFOTYPE), b""),
    )
    packer = Zip(part)
    feed(packer, data)
    assert packer.entries == 9
    size = part.keep(tmp_path / "made.zip")
    assert size == (tmp_path / "made.zip").stat().st_size < 2_500_000
    with zipfile.ZipFile(tmp_path / "made.zip") as made:
        assert made.testzip() is None
        for name in ("a/noise", "a/same", "a/again"):
            assert made.read(name) == noise
        names = {
            name.encode("cp437") if "ü" not in name else name.encode() for name in made.namelist()
        }
        assert b"a/caf\xe9" in names
        assert "a/ü".encode() + b"long" * 60 in names
        assert made.read("a/link") == b"caf\xe9"
        assert made.getinfo("a/link").external_attr >> 16 == 0o120640
        assert made.getinfo("a/noise").external_attr >> 16 == 0o100640
        assert made.getinfo("a/noise").date_time == (2017, 7, 14, 2, 40, 0)


@pytest.mark.parametrize("kind", [Zip, OneFile])
def test_what_is_no_tar(part: Part, kind: type[FromTar]) -> None:
    packer = kind(part)
    with pytest.raises(BadStreamError):
        feed(packer, b"no tar at all" * 10_000)
    packer.abort()


@pytest.mark.parametrize("kind", [Zip, OneFile])
def test_a_stream_that_is_cut(part: Part, kind: type[FromTar]) -> None:
    packer = kind(part)
    with pytest.raises(BadStreamError):
        feed(packer, tar_of((entry("a"), bytes(100_000)))[:50_000])
    packer.abort()


def test_one_file(part: Part, tmp_path: Path) -> None:
    content = os.urandom(600_000)
    feed(OneFile(part), tar_of((entry("a/b"), content)))
    part.keep(tmp_path / "made")
    assert (tmp_path / "made").read_bytes() == content


def test_more_than_one_file(part: Part) -> None:
    packer = OneFile(part)
    with pytest.raises(BadStreamError, match="more than one"):
        feed(packer, tar_of((entry("a"), b"a"), (entry("b"), b"b")))
    packer.abort()


def test_a_packer_that_is_given_up(part: Part) -> None:
    packer = Zip(part)
    packer.write(tar_of((entry("a"), bytes(100_000)))[:50_000])
    packer.abort()
    packer.abort()


def test_a_part_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "1.part"
    path.write_bytes(b"of an attempt before")
    with Part(path) as part:
        Plain(part).write(b"x" * 10)
    assert list(tmp_path.iterdir()) == []
    with Part(path) as part:
        packer = Zstd(part)
        packer.write(bytes(1_000_000))
        packer.finish()
        assert part.keep(tmp_path / "kept") < 1000
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]
    assert oct((tmp_path / "kept").stat().st_mode) == oct(0o100600)
