"""What is mounted, as the kernel says it, and what belongs to which job."""

import re
from pathlib import Path

import pytest

from borgui.jobs.mount import mountpoint_name
from borgui.runner import filesystem, fuse

TABLE = b"""22 27 0:21 / /proc rw shared:12 - proc proc rw
31 27 0:27 / /data/mounts/a\\040b\\134\\303\\251-7 ro - fuse borgfs ro,user_id=0
32 27 0:28 / /data/mounts/dead-8 ro - fuse borgfs ro
short line
"""


def test_mounts_are_read_from_the_kernels_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(TABLE)
    monkeypatch.setattr(filesystem, "_MOUNTS", table)
    assert fuse.is_mounted(Path("/data/mounts/a b\\é-7"))
    assert fuse.is_mounted(Path("/data/mounts/dead-8"))
    assert not fuse.is_mounted(Path("/data/mounts/dead"))
    assert not fuse.is_mounted(Path("/data/mounts"))
    monkeypatch.undo()
    assert fuse.is_mounted(Path("/proc"))
    assert not fuse.is_mounted(tmp_path)


def test_a_data_folder_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    table = tmp_path / "mountinfo"
    table.write_text(f"31 27 0:27 / {tmp_path}/real/a-7 ro - fuse borgfs ro\n")
    monkeypatch.setattr(filesystem, "_MOUNTS", table)
    assert fuse.is_mounted(tmp_path / "link" / "a-7")


def test_only_what_a_job_made_is_a_mountpoint(tmp_path: Path) -> None:
    for name in ("a-7", "b-c-12", "mine", "a-", "-"):
        (tmp_path / name).mkdir()
    assert fuse.left(tmp_path) == [(7, tmp_path / "a-7"), (12, tmp_path / "b-c-12")]
    assert fuse.left(tmp_path / "nowhere") == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a-7"
    folder.mkdir()
    (folder / "file").write_text("not ours")
    assert not fuse.remove(folder)
    assert (folder / "file").exists()
    (folder / "file").unlink()
    assert fuse.remove(folder)
    assert fuse.remove(folder)  # gone already


def test_a_missing_device_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "DEVICE", tmp_path / "fuse")
    assert "There is no /dev/fuse" in (fuse.problem() or "")
    (tmp_path / "fuse").mkdir()
    assert "borgui may not use /dev/fuse" in (fuse.problem() or "")


@pytest.mark.parametrize(
    "archive", ["photos-2026-11-23T20:41:06.123456", "../..", "..", "é" * 99, "a/b c\n", "-x", ""]
)
def test_a_mountpoint_has_a_plain_name(archive: str) -> None:
    name = mountpoint_name(archive, 12)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*-12", name)
    assert len(name) < 100
