"""A restore's own folders: where borg extracts to before anything is put in its place.

Each lies beside what it is for, so that a rename is enough. A marker in ``run/`` is written before
a folder is made; whoever dies, the machine's supervisor finds it and removes what is left.

Who may write to the folder above one of ours can put something else in its place. So each is known
by its inode: nothing is placed from another, and none is removed.
"""

import errno
import json
import logging
import os
import posixpath
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from borgui import durable
from borgui.borg.display import IN_DETAIL, printable_path
from borgui.runner import filesystem
from borgui.runner.failure import FailedError
from borgui.runner.filesystem import FOLDER
from borgui.runner.spec import pack, unpack

log = logging.getLogger(__name__)

PREFIX = ".borgui-restore-"
SUFFIX = ".restore"
_INHERITED = ("system.posix_acl_default", "system.posix_acl_access")
"""Without them nothing that is extracted gets an ACL that it did not have."""


class Staging:
    """The folders of one attempt of a restore, and what is told of it if it is killed."""

    def __init__(self, run: Path, job: int, attempt: int) -> None:
        self._marker = run / f"{job}-{attempt}{SUFFIX}"
        self._prefix = f"{PREFIX}{job}-"
        self._facts: dict[str, Any] = {"folders": [], "made": [], "inodes": {}, "told": {}}
        self._open: dict[str, int] = {}
        """Folders made here: open, so that none gets another inode meanwhile."""

    def make(self, parent: str) -> str:
        """A new folder in ``parent``, closed to others; its path. Raises OSError."""
        path = posixpath.join(parent, self._prefix + secrets.token_hex(4))
        self._facts["folders"].append(pack(path))
        self._write()
        Path(path).mkdir(0o700)
        folder = self._know(path)
        for attribute in _INHERITED:
            with suppress(OSError):  # most folders pass nothing on
                os.removexattr(folder, attribute)
        os.fchmod(folder, 0o700)  # without the set-group-id bit of its parent
        self._write()
        return path

    def open(self, path: str) -> int:
        """A folder of :meth:`make`, opened once more. Raises FailedError where it was replaced."""
        self.check()
        return os.dup(self._open[path])

    def check(self) -> None:
        """Raise FailedError unless every folder made here still is at its path."""
        for path, folder in self._open.items():
            if not _is_at(path, os.fstat(folder)):
                raise FailedError(
                    "folder_replaced",
                    "Somebody who may write to the folder above put something else in the place of"
                    " a folder that was restored to. If that was a link, files may lie where it"
                    " led, and may have replaced what was there; nothing was put in place from"
                    f" there. {IN_DETAIL} {printable_path(path)}",
                )

    def _know(self, path: str) -> int:
        """Remember a folder that was just made; it, open."""
        folder = os.open(os.fsencode(path), FOLDER)
        self._open[path] = folder
        self._facts["inodes"][pack(path)] = os.fstat(folder).st_ino
        return folder

    def make_destination(self, path: str) -> None:
        """The folder to restore to, with those above it, where they are missing. Raises OSError."""
        missing = []
        while not os.path.lexists(path):
            missing.append(path)
            path = posixpath.dirname(path)
        if not missing:
            return
        self._facts["made"] = [pack(each) for each in missing]
        self._write()
        for each in reversed(missing):
            Path(each).mkdir(0o700)
            self._know(each)
        self._write()

    def tell(self, **facts: Any) -> None:
        """What the outcome's ``result`` shall hold if this process is killed now."""
        self._facts["told"] = facts
        draft = self._marker.with_suffix(".draft")
        with suppress(OSError):  # a full disk: what was told before stands
            draft.write_text(json.dumps(self._facts))
            draft.replace(self._marker)

    def remove(self) -> None:
        """Remove all of it, whatever is in it."""
        while self._open:
            os.close(self._open.popitem()[1])
        for _ in removing(self._marker):
            pass

    def _write(self) -> None:
        durable.replace(self._marker, json.dumps(self._facts).encode())


def told(run: Path, job: int, attempt: int) -> dict[str, Any]:
    """The ``result`` of an attempt that was killed; empty where it has told nothing."""
    said = _read(run / f"{job}-{attempt}{SUFFIX}").get("told")
    return {"extract": said} if isinstance(said, dict) and said else {}


def markers(run: Path) -> list[tuple[int, Path]]:
    """Every marker with its job."""
    found = []
    for path in sorted(run.glob(f"*{SUFFIX}")):
        job = path.name.partition("-")[0]
        if job.isdigit():
            found.append((int(job), path))
    return found


def removing(marker: Path) -> Iterator[None]:
    """Remove what a marker names, then the marker; yields after each entry, so it can pause.

    A folder that cannot be removed keeps its marker: it is tried again at the next start. What was
    put in the place of one is left alone, and the marker goes.
    """
    facts = _read(marker)
    inodes = facts.get("inodes") or {}
    is_clean = True
    for path in _paths(facts.get("folders")):
        if not posixpath.basename(path).startswith(PREFIX):
            continue
        try:
            yield from _emptying(path, inodes.get(pack(path)))
        except FileNotFoundError:
            continue
        except _ReplacedError:
            log.warning("left alone, since it is not ours: %s", printable_path(path))
        except OSError:
            is_clean = False
    for path in _paths(facts.get("made")):
        with suppress(OSError):  # it holds something: then it was needed
            if inodes.get(pack(path)) in {None, os.lstat(path).st_ino}:
                Path(path).rmdir()
    marker.with_suffix(".draft").unlink(missing_ok=True)
    if is_clean:
        marker.unlink(missing_ok=True)


class _ReplacedError(Exception):
    """What is at the path of a folder is another one, or none."""


def _emptying(path: str, inode: int | None) -> Iterator[None]:
    """Remove a folder of ours, that of ``inode`` if it is known. Folders within it are first moved
    to its top, so that no depth is too deep; links are never followed."""
    try:
        top = os.open(os.fsencode(path), FOLDER)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise _ReplacedError from error
        raise
    try:
        if inode not in {None, os.fstat(top).st_ino}:
            raise _ReplacedError
        numbers = count()
        mark = os.fsencode(secrets.token_hex(8))
        while names := filesystem.names(top):
            for name in map(os.fsencode, names):
                if _is_folder(top, name):
                    yield from _flattening(top, name, (b"%s-%d" % (mark, n) for n in numbers))
                else:
                    _remove(top, name)
                    yield
    finally:
        os.close(top)
    Path(path).rmdir()


def _flattening(top: int, name: bytes, fresh: Iterator[bytes]) -> Iterator[None]:
    """Remove a folder at the top; those within it come to the top under fresh names."""
    filesystem.loosen(top, name)
    folder = os.open(name, FOLDER, dir_fd=top)
    try:
        for child in map(os.fsencode, filesystem.names(folder)):
            if _is_folder(folder, child):
                filesystem.loosen(folder, child)
                os.rename(child, next(fresh), src_dir_fd=folder, dst_dir_fd=top)
            else:
                _remove(folder, child)
            yield
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)


def _remove(folder: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except PermissionError:
        filesystem.loosen(folder, name)
        os.unlink(name, dir_fd=folder)


def _is_folder(folder: int, name: bytes) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _is_at(path: str, folder: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), folder)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _read(marker: Path) -> dict[str, Any]:
    try:
        facts = json.loads(marker.read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _paths(packed: Iterable[str] | None) -> list[str]:
    return [unpack(each) for each in packed or ()]
