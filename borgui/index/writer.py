"""Makes the index of one archive from what ``borg list`` prints."""

import contextlib
import time
from pathlib import Path
from typing import Self

from borgui.borg.listing import ListingError, OtherArchiveError, mark
from borgui.index.schema import Lock, open_for_writing
from borgui.index.store import Store
from borgui.index.sweeping import sweep
from borgui.index.tree import Tree

BATCH_BYTES = 256 * 1024
"""Listing that is worked through at once; between two batches nothing is locked."""

LONGEST_LINE = 1024 * 1024
"""Borg escapes a byte of a path as six; paths of some thousand bytes are the longest there are."""


class IndexWriter:
    """Feed it the stdout of :func:`borgui.borg.commands.list_archive`, then finish it.

    The archive is known to readers only once :meth:`finish` has returned. What a writer leaves
    behind that was aborted, or died, is freed by the next one that ends. ``marked``: the id that
    each line of a marked listing ends with; None where it is not marked.
    """

    def __init__(self, path: Path, borg_id: str, *, marked: str | None = None) -> None:
        self.entries = 0
        """Lines taken so far."""
        self._path = path
        self._borg_id = borg_id
        self._line_end = "\n" if marked is None else mark(marked)
        self._rest = bytearray()
        self._has_ended = False
        with contextlib.ExitStack() as stack:
            self._lock = Lock(path)
            stack.callback(self._lock.close)
            self._lock.share()
            self._connection = open_for_writing(path)
            stack.callback(self._connection.close)
            self._store = Store(self._connection)
            self._tree = Tree(self._store, path.parent)
            stack.callback(self._tree.close)
            self._stack = stack.pop_all()

    def feed(self, data: bytes) -> None:
        """Go on with ``data``, cut anywhere. Raises ListingError on what borg never prints, and
        OtherArchiveError where it is marked as another archive's."""
        self._rest += data
        if len(self._rest) >= BATCH_BYTES:
            end = self._rest.rfind(b"\n") + 1
            if end:
                self._take(bytes(self._rest[:end]))
                del self._rest[:end]
            elif len(self._rest) > LONGEST_LINE:
                raise ListingError("borg list printed a line without end")

    def finish(self) -> None:
        """The listing is complete: make the archive known."""
        if self._rest and not self._rest.endswith(b"\n"):
            raise ListingError("borg list ended within a line")
        self._take(bytes(self._rest))
        root = self._tree.finish()
        self._store.archive(self._borg_id, root, self.entries, time.time_ns() // 1000)
        self._end()

    def abort(self) -> None:
        """Leave the archive unknown. Harmless after :meth:`finish`."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self.abort()

    def _take(self, data: bytes) -> None:
        try:
            lines = data.decode("utf-8").split(self._line_end)
        except UnicodeDecodeError as error:
            raise ListingError("borg list printed what is not UTF-8") from error
        if lines.pop():
            raise OtherArchiveError("the lines are not marked as those of this archive")
        self._tree.add(lines)
        self._store.commit()
        self.entries += len(lines)

    def _end(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._stack.close()
            sweep(self._path)
