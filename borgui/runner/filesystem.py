"""What Python lacks: a rename that never replaces, the flags chattr(1) sets, what is mounted."""

import ctypes
import errno
import fcntl
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NOREPLACE = 1
_GETFLAGS, _SETFLAGS = 0x80086601, 0x40086602
"""FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of linux/fs.h."""
_BINDING = 0x10 | 0x20
"""FS_IMMUTABLE_FL, FS_APPEND_FL: with one of them nothing can be renamed or removed."""
KEPT = _BINDING | 0x40
"""Those that borg restores: FS_NODUMP_FL too."""

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a folder is opened whose name another may have turned into a link meanwhile."""

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(rb"\\([0-7]{3})")


def allows(path: str, mode: int) -> bool:
    """As ``os.access``, but the capabilities count that a worker may have without being root."""
    return os.access(path, mode, effective_ids=True)


def names(folder: int | str) -> list[str]:
    """What lies in a folder, given open or by its path."""
    return os.listdir(folder)  # noqa: PTH208 - pathlib knows neither open folders nor odd bytes


def mountpoints() -> set[str]:
    """Where something is mounted, working or not (proc(5), mountinfo). Touches none of it; raises
    OSError."""
    found = set()
    for line in _MOUNTS.read_bytes().splitlines():
        parts = line.split(b" ")
        if len(parts) > 4:
            point = _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), parts[4])
            found.add(os.fsdecode(point))
    return found


def rename_new(source: int, name: bytes, target: int, new_name: bytes) -> None:
    """Rename from one open folder to another; FileExistsError where the name is taken.

    Where the file system has no such call (NFS, some FUSE) a link or an empty folder takes the
    name first. Raises OSError, EXDEV across file systems.
    """
    if _LIBC.renameat2(source, name, target, new_name, _NOREPLACE) == 0:
        return
    number = ctypes.get_errno()
    if number not in {errno.EINVAL, errno.ENOSYS, errno.ENOTTY, errno.EOPNOTSUPP}:
        raise OSError(number, os.strerror(number), name)
    if stat.S_ISDIR(_mode(source, name)):
        _rename_folder(source, name, target, new_name)
    else:
        os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        os.unlink(name, dir_fd=source)


def _mode(folder: int, name: bytes) -> int:
    return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode


def _rename_folder(source: int, name: bytes, target: int, new_name: bytes) -> None:
    os.mkdir(new_name, 0o700, dir_fd=target)
    try:
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
    except OSError:
        with suppress(OSError):
            os.rmdir(new_name, dir_fd=target)
        raise


@contextmanager
def unbound(folder: int, name: bytes) -> Iterator[None]:
    """Within it an entry of our own staging folder is free of what forbids moving it.

    Immutable or append-only; a folder that its owner may not write to cannot change its parent.
    """
    mode = _mode(folder, name)
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        yield
        return
    descriptor, flags = _loosen(folder, name, mode)
    try:
        yield
    finally:
        if stat.S_ISDIR(mode):
            os.fchmod(descriptor, stat.S_IMODE(mode))
        write_flags(descriptor, flags)
        os.close(descriptor)


def loosen(folder: int, name: bytes) -> None:
    """As :func:`unbound`, for good: what is in our way is to be removed."""
    mode = _mode(folder, name)
    if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
        os.close(_loosen(folder, name, mode)[0])


def _loosen(folder: int, name: bytes, mode: int) -> tuple[int, int]:
    """An open descriptor of the entry, and the flags it had."""
    if os.geteuid() and not mode & stat.S_IRUSR:
        os.chmod(name, stat.S_IMODE(mode) | stat.S_IRUSR, dir_fd=folder)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    had = read_flags(descriptor)
    write_flags(descriptor, had & ~_BINDING)
    if stat.S_ISDIR(mode):
        os.fchmod(descriptor, stat.S_IMODE(mode) | stat.S_IRWXU)
    return descriptor, had


def disarm(path: str) -> bool:
    """Take the set-user-id and set-group-id bits off a regular file; whether it had one."""
    try:
        found = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        mode = os.fstat(found).st_mode
        if not stat.S_ISREG(mode) or not mode & (stat.S_ISUID | stat.S_ISGID):
            return False
        os.chmod(f"/proc/self/fd/{found}", stat.S_IMODE(mode) & 0o1777)  # noqa: PTH101
    except PermissionError:
        return False  # it is not ours: what was there before
    finally:
        os.close(found)
    return True


def read_flags(descriptor: int) -> int:
    """The flags of an open file or folder; 0 where the file system has none."""
    try:
        raw = fcntl.ioctl(descriptor, _GETFLAGS, struct.pack("l", 0))
    except OSError:
        return 0
    return int(struct.unpack("l", raw)[0]) & 0xFFFFFFFF


def write_flags(descriptor: int, flags: int) -> None:
    """Set the flags that a restore brings back; the others stay. OSError where that is refused."""
    present = read_flags(descriptor)
    wanted = (present & ~KEPT) | (flags & KEPT)
    if wanted != present:
        fcntl.ioctl(descriptor, _SETFLAGS, struct.pack("l", wanted))
