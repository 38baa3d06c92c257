"""Takes archives out of the index and frees what only they held; makes one known by a new id."""

import sqlite3
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from borgui.index.names import thin_out
from borgui.index.schema import IndexMissing, Lock, open_for_reading, open_for_writing

SECONDS = 5.0
"""How long one sweep may take; what it leaves is freed by the next."""

BATCH = 2000
"""Entries freed in one transaction."""

PAGES = 512
"""Pages given back to the file system at once."""


def drop(path: Path, *borg_ids: str) -> bool:
    """Forget archives; False where none was known. Their space is freed soon after."""
    if not path.exists():
        return False
    with closing(open_for_writing(path)) as connection:
        connection.execute("begin immediate")
        roots = []
        for borg_id in borg_ids:
            roots += connection.execute(
                "delete from archives where borg_id = ? returning root", (borg_id,)
            ).fetchall()
        connection.executemany("update nodes set refs = refs - 1 where id = ?", roots)
        connection.execute("commit")
    sweep(path)
    return bool(roots)


def keep_only(path: Path, borg_ids: Collection[str]) -> int:
    """Forget all archives but these, and go on with what earlier sweeps left; how many went."""
    try:
        with closing(open_for_reading(path)) as connection:
            known = {borg_id for (borg_id,) in connection.execute("select borg_id from archives")}
    except IndexMissing:
        return 0
    gone = known.difference(borg_ids)
    if gone:
        drop(path, *gone)
    else:
        sweep(path)
    return len(gone)


def carry_over(path: Path, borg_id: str, new_id: str) -> bool:
    """Make the contents of an archive known as those of ``new_id`` too; False where they were not
    known. The old one is dropped like any that is no longer there.
    """
    if not path.exists():
        return False
    with closing(open_for_writing(path)) as connection:
        connection.execute("begin immediate")
        found = connection.execute(
            "insert or ignore into archives select ?, root, entries, made_at from archives"
            " where borg_id = ? returning root",
            (new_id, borg_id),
        ).fetchall()
        connection.executemany("update nodes set refs = refs + 1 where id = ?", found)
        known = connection.execute("select 1 from archives where borg_id = ?", (new_id,)).fetchone()
        connection.execute("commit")
    return known is not None


def sweep(path: Path, seconds: float = SECONDS) -> bool:
    """Free what no archive holds; False if somebody writes just now, or time ran out."""
    until = time.monotonic() + seconds
    lock = Lock(path)
    try:
        if not lock.take():
            return False
        with closing(open_for_writing(path)) as connection:
            return _free_nodes(connection, until) and _shrink(connection, until)
    finally:
        lock.close()


def _free_nodes(connection: sqlite3.Connection, until: float) -> bool:
    while time.monotonic() < until:
        connection.execute("begin immediate")
        freed, touched = 0, set[int]()
        while freed < BATCH:
            node = connection.execute(
                "select id, entries, block from nodes where refs = 0 limit 1"
            ).fetchone()
            if node is None:
                break
            freed += 1 + _free_some(connection, node[0])
            if node[2] is not None:
                touched.add(node[2])
        for block in touched:
            _thin(connection, block)
        connection.execute("commit")
        if node is None:
            return True
    return False


def _free_some(connection: sqlite3.Connection, node: int) -> int:
    """Free up to ``BATCH`` entries of a node, the last first, and the node with its last one.

    Half freed, it has no digest any more: no writer may take it for the folder it was.
    """
    found = connection.execute(
        "select coalesce(max(number), -1) from entries where node = ?", (node,)
    ).fetchone()
    last = int(found[0])
    first = max(0, last + 1 - BATCH)
    connection.execute(
        "update nodes set refs = refs - (select count(*) from entries"
        "  where node = ?1 and number >= ?2 and child = nodes.id)"
        " where id in (select child from entries"
        "  where node = ?1 and number >= ?2 and child is not null)",
        (node, first),
    )
    connection.execute("delete from entries where node = ? and number >= ?", (node, first))
    if first == 0:
        connection.execute(
            "update blocks set live = live - (select entries from nodes where id = ?1)"
            " where id = (select block from nodes where id = ?1)",
            (node,),
        )
        connection.execute("delete from blocks where node = ?", (node,))
        connection.execute("delete from orders where node = ?", (node,))
        connection.execute("delete from nodes where id = ?", (node,))
    else:
        connection.execute("update nodes set digest = null where id = ?", (node,))
    return last + 1 - first


def _thin(connection: sqlite3.Connection, block: int) -> None:
    """A block of which more than half is gone is written anew, without what is gone."""
    found = connection.execute("select total, live from blocks where id = ?", (block,)).fetchone()
    if found is not None and found[1] * 2 < found[0]:
        thin_out(connection, block)


def _shrink(connection: sqlite3.Connection, until: float) -> bool:
    """Give free pages back to the file system."""
    while time.monotonic() < until:
        (free,) = connection.execute("pragma freelist_count").fetchone()
        if not free:
            connection.execute("pragma busy_timeout = 0")  # a reader may look at it for long
            connection.execute("pragma wal_checkpoint(truncate)").fetchall()
            return True
        connection.execute(f"pragma incremental_vacuum({PAGES})").fetchall()
    return False
