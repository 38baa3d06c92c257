"""What ``borg diff`` told, on disk: one SQLite file a job, written by its worker, read by the web.

Entries are numbered in the order of their paths, part by part, so a folder and all below it are
one range of numbers; and for each change the entries that have it are counted through. So a page of
any of it is one range of an index, however far down. Nothing in it is precious.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from borgui.borg.differences import Change, Difference
from borgui.borg.display import as_borg_prints

VERSION: Final = 1
CACHE_KIB: Final = 8192
BATCH: Final = 1000

ALL: Final = 0
"""The number of every change together."""

NUMBERS: Final = {change: number for number, change in enumerate(Change, start=1)}

_COLUMNS: Final = (
    "path, changes, kind, added, removed, old_mode, new_mode, old_owner, new_owner, is_doubtful"
)

_TABLES: Final = """
create table incoming (
    path blob not null,        -- as the key: see _key
    changes integer not null,  -- bits by NUMBERS
    kind text,
    added integer,
    removed integer,
    old_mode text,
    new_mode text,
    old_owner text,
    new_owner text,
    is_doubtful integer not null
);
create table entries (
    number integer primary key,
    path blob not null,
    changes integer not null,
    kind text,
    added integer,
    removed integer,
    old_mode text,
    new_mode text,
    old_owner text,
    new_owner text,
    is_doubtful integer not null
);
create index entries_path on entries (path);
create table facts (
    is_exact integer not null  -- whether no ? in a path stands for another byte
);
create table places (
    change integer not null,
    number integer not null,
    place integer not null,  -- among the entries with this change, from 0
    primary key (change, number)
) without rowid;
create unique index places_place on places (change, place);
create table sums (
    change integer primary key,
    entries integer not null,
    added integer not null,
    removed integer not null
);
"""


@dataclass(frozen=True, slots=True)
class Sums:
    """``entries`` by change, and of all; bytes of new and of gone blocks."""

    total: int
    entries: dict[Change, int]
    added: int
    removed: int


class DiffWriter:
    """Takes differences in any order; finish it, or what was written is removed.

    Raises sqlite3.Error where the disk takes no more.
    """

    def __init__(self, path: Path, *, is_exact: bool = True) -> None:
        self.taken = 0
        """Entries that differ in more than their times."""
        self.times_only = 0
        self.doubtful = 0
        self._path = path
        self._is_kept = False
        self._batch: list[tuple[Any, ...]] = []
        path.unlink(missing_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = off", "synchronous = off", f"cache_size = -{CACHE_KIB}"):
            self._connection.execute(f"pragma {pragma}")
        self._connection.executescript(_TABLES)
        self._connection.execute("insert into facts values (?)", (is_exact,))
        self._connection.execute("begin")

    def add(self, difference: Difference) -> None:
        """Take one."""
        if not difference.changes:
            self.times_only += 1
            return
        self.taken += 1
        self.doubtful += difference.is_doubtful
        self._batch.append(_row(difference))
        if len(self._batch) >= BATCH:
            self._write()

    def sort(self) -> None:
        """Everything has come: give numbers. Two entries may have one path, where borg does not
        show in which byte they differ."""
        self._write()
        self._connection.execute(
            f"insert into entries select null, {_COLUMNS}"  # noqa: S608  ours
            " from incoming order by path, rowid"
        )
        self._connection.execute("drop table incoming")

    def confirm(self, paths: Iterable[str]) -> None:
        """The doubtful contents at ``paths`` did change."""
        self._connection.executemany(
            "update entries set is_doubtful = 0 where path = ?", ((_key(path),) for path in paths)
        )

    def dismiss_doubtful(self) -> int:
        """All other doubtful contents did not; returns how many entries differ in nothing else."""
        content = 1 << NUMBERS[Change.CONTENT]
        self._connection.execute(
            "update entries set changes = changes & ~?, added = null, removed = null"
            " where is_doubtful",
            (content,),
        )
        gone = self._connection.execute("delete from entries where changes = 0").rowcount
        self.taken -= gone
        self.times_only += gone
        return gone

    def finish(self, path: Path) -> Sums:
        """Make it complete, and let it be found at ``path``."""
        execute = self._connection.execute
        for number in (ALL, *NUMBERS.values()):
            execute(
                "insert into places select ?1, number, row_number() over (order by number) - 1"
                " from entries where ?1 = 0 or changes & (1 << ?1)",
                (number,),
            )
        execute(
            "insert into sums select change, count(*), coalesce(sum(added), 0),"
            " coalesce(sum(removed), 0) from places join entries using (number) group by change"
        )
        execute(f"pragma user_version = {VERSION}")
        execute("commit")
        found = _sums(self._connection)
        self._connection.close()
        self._path.replace(path)
        self._is_kept = True
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self._connection.close()
        if not self._is_kept:
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        marks = ", ".join("?" * len(_COLUMNS.split(", ")))
        self._connection.executemany(
            f"insert into incoming values ({marks})",  # noqa: S608  ours
            self._batch,
        )
        self._batch.clear()


class DiffFile:
    """A finished file. Raises sqlite3.DatabaseError where it is damaged or of another version."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        (is_exact,) = connection.execute("select is_exact from facts").fetchone()
        self._is_exact = bool(is_exact)

    def sums(self) -> Sums:
        """Of all of it."""
        return _sums(self._connection)

    def counts(self, folder: str = "") -> dict[Change, int]:
        """Entries by change in a folder and below, itself included."""
        if not folder:
            return self.sums().entries
        return {change: self.total(change, folder) for change in Change}

    def total(self, change: Change | None = None, folder: str = "") -> int:
        """How many entries differ in this way, in a folder and below."""
        first, end = self._range(change, folder)
        return end - first

    def page(
        self, change: Change | None = None, folder: str = "", *, offset: int = 0, limit: int = 100
    ) -> list[Difference]:
        """Entries in the order of their paths: folders before what they hold."""
        first, end = self._range(change, folder)
        found = self._connection.execute(
            f"select {_COLUMNS} from places join entries using (number)"  # noqa: S608  ours
            " where change = ? and place >= ? and place < ? order by place",
            (_number(change), first + offset, min(first + offset + limit, end)),
        )
        return [_difference(row, is_exact=self._is_exact) for row in found]

    def _range(self, change: Change | None, folder: str) -> tuple[int, int]:
        """The places of a folder and all below it: the first, and the one after the last."""
        if not folder:
            return 0, self._place(change, None)
        key = _key(folder if self._is_exact else as_borg_prints(folder))
        return self._place(change, key), self._place(change, key + b"\1")

    def _place(self, change: Change | None, key: bytes | None) -> int:
        """How many entries with this change come before ``key``; None is the end."""
        number = place = None
        if key is not None:
            number = self._first(
                "select number from entries where path >= ? order by path limit 1", key
            )
        if number is not None:
            place = self._first(
                "select place from places where change = ? and number >= ? order by number limit 1",
                _number(change),
                number,
            )
        if place is not None:
            return place
        return self._first("select entries from sums where change = ?", _number(change)) or 0

    def _first(self, question: str, *values: Any) -> int | None:
        found = self._connection.execute(question, values).fetchone()
        return None if found is None else int(found[0])


@contextmanager
def opened(path: Path) -> Iterator[DiffFile]:
    """Open a finished file; FileNotFoundError where there is none."""
    if not path.is_file():
        raise FileNotFoundError(path.name)
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        connection.execute(f"pragma cache_size = -{CACHE_KIB}")
        (version,) = connection.execute("pragma user_version").fetchone()
        if version != VERSION:
            raise sqlite3.DatabaseError(f"{path.name} is of another version")
        yield DiffFile(connection)


def _sums(connection: sqlite3.Connection) -> Sums:
    rows = {row[0]: row[1:] for row in connection.execute("select * from sums")}
    total, added, removed = rows.get(ALL, (0, 0, 0))
    entries = {change: rows.get(number, (0,))[0] for change, number in NUMBERS.items()}
    return Sums(total, entries, added, removed)


def _number(change: Change | None) -> int:
    return ALL if change is None else NUMBERS[change]


def _key(path: str) -> bytes:
    """With NUL for each slash, which no name holds: so nothing sorts between a folder and what it
    holds."""
    return os.fsencode(path).replace(b"/", b"\0")


def _row(each: Difference) -> tuple[Any, ...]:
    bits = sum(1 << NUMBERS[change] for change in each.changes)
    modes, owners = each.modes or (None, None), each.owners or (None, None)
    return (
        _key(each.path), bits, each.kind, each.added, each.removed, *modes, *owners,
        int(each.is_doubtful),
    )  # fmt: skip


def _difference(row: tuple[Any, ...], *, is_exact: bool) -> Difference:
    path, bits, kind, added, removed, old_mode, new_mode, old_owner, new_owner, doubtful = row
    return Difference(
        os.fsdecode(path.replace(b"\0", b"/")),
        frozenset(change for change, number in NUMBERS.items() if bits & (1 << number)),
        kind,
        added,
        removed,
        None if old_mode is None else (old_mode, new_mode),
        None if old_owner is None else (old_owner, new_owner),
        bool(doubtful),
        is_exact or b"?" not in path,
    )
