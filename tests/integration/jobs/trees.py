"""Folders full of all that a restore must bring back, and their comparison, entry by entry."""

import hashlib
import os
import stat
import subprocess
from pathlib import Path
from typing import Any


def make(folder: Path) -> Path:
    """Owners, modes, times, links, attributes, ACLs, holes, special files, odd names."""
    plain = folder / "plain"
    plain.mkdir(parents=True)
    (plain / "a.txt").write_text("a letter")
    (plain / "empty.txt").touch()
    (plain / "random.bin").write_bytes(os.urandom(3_000_000))
    (plain / "secret").write_text("mine alone")
    (plain / "secret").chmod(0o400)
    (plain / "suid").write_text("#!/bin/sh")
    (plain / "suid").chmod(0o4755)
    os.chown(plain / "a.txt", 1234, 4321)
    (plain / "twin").hardlink_to(plain / "random.bin")
    (folder / "other" / "deep" / "er").mkdir(parents=True)
    (folder / "other" / "third").hardlink_to(plain / "random.bin")
    (folder / "empty folder").mkdir(mode=0o750)
    os.chown(folder / "empty folder", 1, 2)
    (folder / "closed").mkdir()
    (folder / "closed" / "within").write_text("x")
    (folder / "link").symlink_to("plain/a.txt")
    (folder / "dangling").symlink_to("/nowhere/at all")
    os.lchown(folder / "link", 77, 78)
    os.mkfifo(folder / "fifo", 0o622)
    os.mknod(folder / "device", stat.S_IFCHR | 0o640, os.makedev(1, 3))
    with (folder / "holes.img").open("wb") as file:
        file.write(b"begin")
        file.seek(60_000_000)
        file.write(b"end")
    os.setxattr(plain / "a.txt", "user.note", b"kept \x00\xff")
    _acl("u:1234:rw", plain / "empty.txt")
    _acl("d:u:1234:rwx", folder / "other")
    for name in (b"caf\xe9", b"new\nline", b"quo'te\"", "ünïcode 漢".encode(), b"-dash", b"{now}"):
        with open(os.fsencode(folder) + b"/other/" + name, "wb") as file:  # noqa: PTH123
            file.write(b"named " + name)
    for number, path in enumerate(sorted(folder.rglob("*"))):
        moment = 1_500_000_000_123_456_789 + number * 10**9
        os.utime(path, ns=(moment, moment), follow_symlinks=False)
    (folder / "closed").chmod(0o500)
    os.utime(folder, ns=(10**18, 10**18))
    return folder


def _acl(entry: str, path: Path) -> None:
    subprocess.run(["setfacl", "-m", entry, str(path)], check=True)


def described(folder: Path | bytes) -> dict[bytes, dict[str, Any]]:
    """Everything that a restore must bring back, by relative path."""
    root = os.fsencode(folder)
    found: dict[bytes, dict[str, Any]] = {}
    groups: dict[tuple[int, int], list[bytes]] = {}
    for here, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = here + b"/" + name
            inside = os.path.relpath(path, root)
            found[inside] = _one(path)
            status = os.lstat(path)
            if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
                groups.setdefault((status.st_dev, status.st_ino), []).append(inside)
    for names in groups.values():
        for name in names:
            found[name]["links"] = sorted(names)
    return found


def _one(path: bytes) -> dict[str, Any]:
    status = os.lstat(path)
    is_link = stat.S_ISLNK(status.st_mode)
    return {
        "mode": oct(status.st_mode),
        "owner": (status.st_uid, status.st_gid),
        "mtime": status.st_mtime_ns,
        "device": status.st_rdev,
        "attributes": {
            name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False)
        },
        "target": os.readlink(path) if is_link else None,  # noqa: PTH115 - bytes
        "content": _digest(path) if stat.S_ISREG(status.st_mode) else None,
    }


def _digest(path: bytes) -> str:
    with open(path, "rb") as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").hexdigest()


def taken(path: Path) -> int:
    """Bytes on disk."""
    return path.stat().st_blocks * 512


def names(folder: Path) -> list[bytes]:
    """What lies in a folder, as bytes, sorted."""
    return sorted(map(os.fsencode, os.listdir(folder)))  # noqa: PTH208


def staged(folder: Path) -> list[Path]:
    """Staging folders left below ``folder``."""
    return sorted(folder.rglob(".borgui-restore-*"))
