"""What a restore will write and where, from the listing that is made before anything is written.

All that comes to lie on one mount below the destination is a :class:`Group`. Without overwriting
each is extracted to a staging folder of its own there: within a mount a rename is enough.
"""

import grp
import os
import posixpath
import pwd
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from borgui.borg import listing, selection
from borgui.borg.listing import Owner, Place
from borgui.roots import is_inside
from borgui.runner import filesystem, target
from borgui.runner.failure import FailedError

_FOREIGN_BITS = frozenset("sS")


@dataclass(slots=True)
class Group:
    """What comes to lie below ``root``, which is the destination or a mount below it.

    ``folder``: of the archive's entries, the deepest that holds all of them, by its full path.
    """

    root: str
    entries: int = 0
    folder: str | None = None
    balance: int = 0
    needed: int = 0
    """Bytes that have to be free. What is written over is free before its successor is written."""
    is_certain: bool = True
    """Whether these are all: of a further name of a file whose first one does not come with it,
    borg lists no size."""

    def add(self, path: str, size: int, freed: int) -> None:
        """One entry, by the full path that it comes to lie at."""
        self.entries += 1
        if self.folder is None:
            self.folder = path
        elif path != self.folder and not path.startswith(f"{self.folder}/"):
            self.folder = posixpath.commonpath((self.folder, path))
        self.balance += size - freed
        self.needed = max(self.needed, self.balance)

    @property
    def anchor(self) -> str:
        """The deepest folder there is already that all of it comes to lie in."""
        return target.deepest("/", (self.folder or self.root).lstrip("/"))

    @property
    def staging(self) -> str:
        """The folder on the way from :attr:`root` to :attr:`anchor` to make a staging folder in:
        the uppermost, so that what is restored to keeps its time."""
        path = self.root
        for part in posixpath.relpath(self.anchor, path).split("/"):
            if filesystem.allows(path, os.W_OK | os.X_OK):
                return path
            path = posixpath.join(path, part)
        return self.anchor


@dataclass(slots=True)
class Survey:
    """Feed :meth:`take` every entry, then ask. ``destination`` is free of links."""

    destination: str
    strip: int
    overwrite: bool
    protected: tuple[str, ...]
    archive: str
    """Borg's id of the archive; empty where it is not known."""
    selected: frozenset[str] = frozenset()
    """Paths of the archive; none is all of it."""
    seen: int = 0
    kept_out: dict[str, int] = field(default_factory=dict)
    """Protected folders, and how many entries would have come to lie in them."""
    foreign: int = 0
    """Entries whose owner or group this process cannot set."""
    armed: list[str] = field(default_factory=list)
    """Of those, the files that run as their owner or group: paths below the destination."""
    may_chown: bool = True
    _groups: dict[str, Group] = field(default_factory=dict)
    _roots: frozenset[str] = frozenset()
    _folder: str | None = None
    _now: tuple[str | None, str, str] = (None, "", "")
    _owners: dict[str, bool] = field(default_factory=dict)

    def split_at(self, roots: Iterable[str]) -> None:
        """Each of ``roots``, full paths, has what lies below it as a group of its own."""
        self._roots = frozenset(each for each in roots if not is_inside(each, self.protected))

    def take(self, place: Place, parts: Sequence[str]) -> bool:
        """The next entry, and where it comes to lie; False where it is kept out.

        Raises FailedError where the archive is not the one that was meant.
        """
        if not self.seen and self.archive[: listing.ID_LETTERS] != place.archive and self.archive:
            raise FailedError(
                "archive_changed",
                "The archive is another one now: somebody else has changed it. Refresh the list of"
                " archives.",
            )
        self.seen += 1
        if not parts or ".." in parts:  # what leads out is left out, and told, elsewhere
            return True
        inside = "/".join(parts)
        path = posixpath.join(self.destination, inside)
        protected, root, path = self._look_up(path)
        if protected is not None:
            self.kept_out[protected] = self.kept_out.get(protected, 0) + 1
            return False
        if root not in self._groups:
            self._groups[root] = Group(root)
        self._groups[root].add(path, place.size, self._freed(path) if self.overwrite else 0)
        if place.kind == "h" and not self._brings(place.source, root):
            self._groups[root].is_certain = False
        if not self.may_chown and self._is_foreign(place.owner):
            self.foreign += 1
            if place.kind in {"-", "h"} and _FOREIGN_BITS & set(place.mode[2::3][:2]):
                self.armed.append(inside)
        return True

    @property
    def groups(self) -> list[Group]:
        """Those that anything lies in; of a mountpoint alone nothing is to be written there."""
        found: list[Group] = []
        alone: list[Group] = []
        for group in self._groups.values():
            only = group.root in self._roots and group.folder == group.root and group.entries == 1
            (alone if only else found).append(group)
        for group in alone:
            above = posixpath.dirname(group.root)
            if not any(is_inside(above, [each.root]) for each in found):
                found.append(Group(self._top, 1, above))
        return sorted(found, key=lambda each: each.root)

    def excludes(self, group: Group) -> list[str]:
        """Patterns that leave ``group`` alone of all groups."""
        others = [each.root for each in self.groups if each.root != group.root]
        patterns = [
            selection.keep_out(self._below(root), self.strip)
            for root in others
            if is_inside(root, [group.root])
        ]
        if group.root != self.destination:
            patterns.append(selection.keep_to(self._below(group.root), self.strip))
        return patterns

    def holds_back(self, path: str) -> bool:
        """Whether a selected path is kept out, with all below it."""
        where = posixpath.join(self.destination, selection.stripped(path, self.strip))
        return is_inside(where, self.kept_out)

    def shortage(self) -> str | None:
        """Where there is too little space, as a sentence; None where all of it fits."""
        needed: dict[int, int] = {}
        at: dict[int, str] = {}
        for group in self.groups:
            device = Path(group.anchor).stat().st_dev
            needed[device] = needed.get(device, 0) + group.needed
            at[device] = group.anchor
        for device, size in needed.items():
            if said := target.lack(at[device], size):
                return said
        return None

    def _below(self, root: str) -> str:
        return posixpath.relpath(root, self.destination)

    def _brings(self, path: str, root: str) -> bool:
        """Whether a path of the archive comes to lie below ``root`` too."""
        above = path
        while self.selected and above not in self.selected:
            above = posixpath.dirname(above)
            if not above:
                return False
        where = posixpath.join(self.destination, selection.stripped(path, self.strip))
        return (_above(posixpath.dirname(where), self._roots) or self._top) == root

    @property
    def _top(self) -> str:
        """The root of the group of what lies in no other: borg follows links, we do not."""
        return "/" if self.overwrite else self.destination

    def _look_up(self, path: str) -> tuple[str | None, str, str]:
        """The protected folder that a path lies in, the root of its group, and where it leads."""
        folder, name = posixpath.split(path)
        if folder != self._folder:
            real = os.path.realpath(folder) if self.overwrite else folder
            root = _above(real, self._roots) or self._top
            self._folder, self._now = folder, (_above(folder, self.protected), root, real)
        protected, root, real = self._now
        if path in self.protected:
            protected = path
        path = posixpath.join(real, name)
        return protected, path if path in self._roots else root, path

    def _freed(self, path: str) -> int:
        """Bytes that come free when borg removes what is there."""
        with suppress(OSError):
            found = os.lstat(path)
            if found.st_nlink == 1:
                return found.st_blocks * 512
        return 0

    def _is_foreign(self, text: str) -> bool:
        known = self._owners.get(text)
        if known is None:
            known = self._owners[text] = _is_foreign(listing.parse_owner(text))
        return known


def _above(folder: str, roots: Collection[str]) -> str | None:
    """The deepest of ``roots`` that is a folder or lies above it."""
    while folder not in roots:
        if folder == "/":
            return None
        folder = posixpath.dirname(folder)
    return folder


def _is_foreign(owner: Owner) -> bool:
    """Whether this process, without the right to, cannot make a file this owner's."""
    uid, gid = owner.uid, owner.gid
    with suppress(KeyError):
        uid = pwd.getpwnam(owner.user).pw_uid  # as borg does: names go before numbers
    with suppress(KeyError):
        gid = grp.getgrnam(owner.group).gr_gid
    return uid != os.geteuid() or gid not in {os.getegid(), *os.getgroups()}


def may_chown() -> bool:
    """Whether this process may give files to others (CAP_CHOWN)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) & 1)
    return os.geteuid() == 0


def mounts_below(folder: str) -> list[str]:
    """Where something is mounted below ``folder``, which is free of links."""
    return sorted(
        point
        for point in filesystem.mountpoints()
        if point != folder and is_inside(point, [folder])
    )
