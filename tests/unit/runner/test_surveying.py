"""What a restore will write is told from a listing: where, how much, and what is kept out."""

import os
from pathlib import Path
from typing import Any

import pytest

from borgui.borg.listing import Place
from borgui.runner import filesystem
from borgui.runner.failure import FailedError
from borgui.runner.overlapping import Links
from borgui.runner.surveying import Survey, mounts_below

ARCHIVE = "0123456789abcdef" * 4


def survey(destination: Path, *roots: Path, **more: Any) -> Survey:
    options: dict[str, Any] = {"strip": 0, "overwrite": False, "protected": ()}
    found = Survey(str(destination), archive=ARCHIVE, **options | more)
    found.split_at(map(str, roots))
    return found


def show(found: Survey, *entries: tuple[str, int], kind: str = "-", **more: Any) -> None:
    links = Links(found.strip)
    for path, size in entries:
        found.take(Place(kind, "", path, size, archive=ARCHIVE[:16], **more), links.parts(path))


def told(found: Survey) -> list[tuple[str, str, int]]:
    return [(each.root, each.anchor, each.needed) for each in found.groups]


def test_all_of_it_lies_in_one_folder(tmp_path: Path) -> None:
    """That folder is what counts, not the destination far above it."""
    (tmp_path / "srv" / "data").mkdir(parents=True)
    found = survey(tmp_path)
    show(found, ("srv/data", 0), ("srv/data/new/a", 5), ("srv/data/b", 6))
    assert told(found) == [(str(tmp_path), str(tmp_path / "srv" / "data"), 11)]
    assert found.excludes(found.groups[0]) == []


def test_each_mount_has_its_own(tmp_path: Path) -> None:
    for name in ("srv/photos", "etc", "proc"):
        (tmp_path / name).mkdir(parents=True)
    mounts = [tmp_path / "srv", tmp_path / "srv" / "photos", tmp_path / "proc", tmp_path / "none"]
    found = survey(tmp_path, *mounts)
    show(found, ("srv", 0), ("srv/a", 1), ("srv/photos/b", 2), ("etc/c", 4), ("proc", 0))
    here, srv, photos = map(str, (tmp_path, tmp_path / "srv", tmp_path / "srv" / "photos"))
    # a mountpoint alone goes with what is around it: nothing is written there
    assert told(found) == [(here, f"{here}/etc", 4), (srv, srv, 1), (photos, photos, 2)]
    top, middle, deep = map(found.excludes, found.groups)
    assert len(top) == len(middle) == 2
    assert len(deep) == 1


def test_a_mountpoint_alone(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    found = survey(tmp_path, tmp_path / "proc")
    show(found, ("proc", 0), kind="d")
    assert told(found) == [(str(tmp_path), str(tmp_path), 0)]


def test_nothing_is_followed_but_where_borg_does(tmp_path: Path) -> None:
    (tmp_path / "real" / "data").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    for overwrite, anchor in ((False, tmp_path), (True, tmp_path / "real" / "data")):
        found = survey(tmp_path, overwrite=overwrite)
        show(found, ("link/data/x", 1))
        assert found.groups[0].anchor == str(anchor)


def test_space_that_comes_free(tmp_path: Path) -> None:
    """In the order in which borg removes and writes; a file with two names frees nothing."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"x" * 40960)
    os.link(tmp_path / "c", tmp_path / "d")
    found = survey(tmp_path, overwrite=True)
    show(found, ("a", 40960), ("b", 81920))
    assert found.groups[0].needed == 40960
    show(found, ("c", 10))
    assert found.groups[0].needed == 40970
    found = survey(tmp_path, overwrite=True)
    show(found, ("new", 50000), ("a", 0), ("b", 0))
    assert found.groups[0].needed == 50000


def test_what_is_kept_out(tmp_path: Path) -> None:
    data = f"{tmp_path}/var/data"
    found = survey(tmp_path, Path(data) / "mounts" / "x", protected=(data,))
    show(found, ("var/data", 0), ("var/data/key", 9), ("var/database", 3))
    show(found, ("var/data/mounts/x/y", 9))
    assert found.kept_out == {data: 3}
    assert [each.needed for each in found.groups] == [3]
    assert found.holds_back("var/data/key")
    assert not found.holds_back("var/database")


def test_another_archive(tmp_path: Path) -> None:
    found = survey(tmp_path)
    with pytest.raises(FailedError, match="another one") as failed:
        found.take(Place("-", "", "a", archive="f" * 16), ["a"])
    assert failed.value.code == "archive_changed"


def test_what_cannot_be_given_to_its_owner(tmp_path: Path) -> None:
    found = survey(tmp_path, may_chown=False)
    mine = f"{os.geteuid()}\t{os.getegid()}\t{os.geteuid()}\t{os.getegid()}"
    theirs = "54321\t54321\t54321\t54321"
    show(found, ("mine", 1), owner=mine, mode="rwsr-xr-x")
    show(found, ("theirs", 1), owner=theirs, mode="rwxr-xr-x")
    show(found, ("folder", 0), owner=theirs, mode="rwxr-sr-x", kind="d")
    assert (found.foreign, found.armed) == (2, [])
    show(found, ("suid", 1), owner=theirs, mode="rwsr-xr-x")
    show(found, ("sgid", 1), owner=theirs, mode="rw-r-Sr--")
    assert (found.foreign, found.armed) == (4, ["suid", "sgid"])


def test_where_something_is_mounted() -> None:
    found = mounts_below("/")
    assert "/proc" in found
    assert "/" not in found
    assert "/proc" not in mounts_below("/proc")


def test_a_size_that_borg_does_not_list(tmp_path: Path) -> None:
    """That of a further name of a file whose first one does not come with it."""
    (tmp_path / "disk").mkdir()
    for selected, roots, certain in (
        ((), (), [True]),
        (("a", "disk"), (), [True]),
        (("disk",), (), [False]),
        ((), (tmp_path / "disk",), [True, False]),
    ):
        found = survey(tmp_path, *roots, selected=frozenset(selected))
        links = Links()
        for place in (Place("-", "", "a/x", 1), Place("h", "a/x", "disk/y")):
            if not selected or place.path.split("/")[0] in selected:
                found.take(place._replace(archive=ARCHIVE[:16]), links.parts(place.path))
        assert [each.is_certain for each in found.groups] == certain


def test_where_another_user_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one who is not root: a staging folder is not made above what is theirs."""
    mine = tmp_path / "srv" / "mine"
    (mine / "deep").mkdir(parents=True)
    found = survey(tmp_path)
    show(found, ("srv/mine/deep/a", 0), ("srv/mine/deep/b/c", 0))
    assert found.groups[0].staging == str(tmp_path)
    monkeypatch.setattr(filesystem, "allows", lambda path, _mode: path.startswith(str(mine)))
    assert found.groups[0].staging == str(mine)
