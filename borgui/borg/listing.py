"""The lines of ``borg list`` of one archive, as :func:`borgui.borg.commands.list_archive` asks.

Text, not ``--json-lines``: borg's JSON shows each byte of a name that is not UTF-8 as ``?``, and
costs a third more. Its text format takes Python's conversions, so ``{bpath!r}`` is the whole name
as a Python literal: a lone surrogate ``\\udcXX`` for each such byte, line ends and tabs escaped.
Times carry microseconds (of the zone of ``TZ``, which is UTC).
"""

import ast
from typing import Final, NamedTuple

FORMAT: Final = (
    "{type}{mode}\t{uid}\t{gid}\t{user!r}\t{group!r}\t{size}\t{mtime:%s.%f}\t{health}"
    "\t{source!r}\t{bpath!r}{NL}"
)
"""One line an item; the path stands last and everything before it is called its attributes."""

ID_LETTERS: Final = 16
"""So much of an archive's id stands in each line: enough to tell it from another."""

MARKED: Final = FORMAT.replace("{NL}", f"\t{{archiveid:.{ID_LETTERS}}}{{NL}}")
"""The same, with :func:`mark` at each line's end: an archive is listed by its name, which another
client may have given to another one meanwhile. Borg puts it into the format once, not once an item
(1.2.4)."""


def mark(borg_id: str) -> str:
    """How each line of an archive ends in the format :data:`MARKED`."""
    return f"\t{borg_id[:ID_LETTERS]}\n"


def unmarked(line: str, borg_id: str) -> str:
    """A line of the archive ``borg_id`` in the format :data:`MARKED` (without the line's end) as
    one of :data:`FORMAT`. Raises :class:`OtherArchiveError`."""
    text, _, marked = line.rpartition("\t")
    if marked != borg_id[:ID_LETTERS]:
        raise OtherArchiveError("the line is not marked as one of this archive")
    return text


CHECKSUMS: Final = "{type}{mode}\t{health}\t{sha256}\t{bpath!r}{NL}"
"""With borg's own checksum, for which it reads the contents; :func:`parse_checksum` reads it."""


PLACES: Final = (
    f"{{type}}{{mode}}\t{{archiveid:.{ID_LETTERS}}}"
    "\t{size}\t{source!r}\t{bpath!r}"
    "\t{uid}\t{gid}\t{user!r}\t{group!r}{NL}"
)
"""What an extraction would make and where; :func:`parse_place` reads it."""


class ListingError(ValueError):
    """A line that is none of ``borg list``; the message shows it."""


class OtherArchiveError(ListingError):
    """What is listed is another archive than the one that was meant."""


class Attributes(NamedTuple):
    """What borg says of an item beside its path.

    ``kind``: the letter of ``ls``, and ``h`` for a later name of a hard link (its ``size`` is 0
    then). ``mode``: ``rwxr-xr-x``. ``user``, ``group``: empty where borg knows only the number.
    ``mtime``: microseconds since 1970. ``source``: where a link leads, with ``?`` for each byte
    that is not UTF-8, or the first name of a hard link.
    """

    kind: str
    mode: str
    uid: int
    gid: int
    user: str
    group: str
    size: int
    mtime: int
    is_broken: bool
    source: str


def unquote(literal: str) -> str:
    """The text a Python string literal stands for; raises :class:`ListingError`."""
    quote = literal[:1]
    if "\\" not in literal and quote in ("'", '"') and literal.find(quote, 1) == len(literal) - 1:
        return literal[1:-1]
    try:
        text = ast.literal_eval(literal)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ListingError(f"borg list printed no text but {literal[:200]!r}") from error
    if not isinstance(text, str):
        raise ListingError(f"borg list printed no text but {literal[:200]!r}")
    return text


def parse(attributes: str) -> Attributes:
    """Parse what stands before the path; raises :class:`ListingError`."""
    tail = parse_tail(attributes)
    return Attributes(*parse_head(tail.head), *tail[1:])


class Head(NamedTuple):
    """The first of :class:`Attributes`, which many items of an archive have in common."""

    kind: str
    mode: str
    uid: int
    gid: int
    user: str
    group: str


class Tail(NamedTuple):
    """The rest of :class:`Attributes`, and the text of the head for :func:`parse_head`."""

    head: str
    size: int
    mtime: int
    is_broken: bool
    source: str


def parse_tail(attributes: str) -> Tail:
    """Parse what differs from item to item; raises :class:`ListingError`."""
    try:
        head, size, mtime, health, source = attributes.rsplit("\t", 4)
        seconds, _, fraction = mtime.partition(".")  # six digits; no time before 1970
        return Tail(
            head,
            int(size),
            int(seconds) * 1_000_000 + int(fraction),
            health == "broken",
            "" if source == "''" else unquote(source),
        )
    except ValueError as error:
        raise ListingError(f"not a line of borg list: {attributes[:200]!r}") from error


def parse_head(text: str) -> Head:
    """Parse what a :class:`Tail` calls its head; raises :class:`ListingError`."""
    try:
        types, uid, gid, user, group = text.split("\t")
        return Head(
            "h" if types[1] == "h" else types[0],
            types[2:],
            int(uid),
            int(gid),
            _name(user),
            _name(group),
        )
    except (ValueError, IndexError) as error:
        raise ListingError(f"not a line of borg list: {text[:200]!r}") from error


class Checksum(NamedTuple):
    """What borg says of an item's content: SHA-256 in hex, "" where it has none of its own
    (folders, links, and the later names of a hard link, whose ``kind`` is ``h``)."""

    kind: str
    is_broken: bool
    sha256: str
    path: str


def parse_checksum(line: str) -> Checksum:
    """Parse a line of the format :data:`CHECKSUMS`; raises :class:`ListingError`."""
    try:
        types, health, digest, path = line.split("\t", 3)
        kind = "h" if types[1] == "h" else types[0]
    except (ValueError, IndexError) as error:
        raise ListingError(f"not a line of borg list: {line[:200]!r}") from error
    return Checksum(kind, health == "broken", digest, unquote(path))


class Place(NamedTuple):
    """An item as an extraction makes it. ``kind``, ``source``, ``size`` and ``mode`` as those of
    :class:`Attributes` (``l`` for a symbolic link). ``owner`` is for :func:`parse_owner`;
    ``archive`` the first :data:`ID_LETTERS` of its id."""

    kind: str
    source: str
    path: str
    size: int = 0
    mode: str = ""
    owner: str = ""
    archive: str = ""


def parse_place(line: str) -> Place:
    """Parse a line of the format :data:`PLACES`; raises :class:`ListingError`."""
    try:
        types, archive, size, source, path, owner = line.split("\t", 5)
        kind = "h" if types[1] == "h" else types[0]
        first = unquote(source) if kind == "h" else ""
        return Place(kind, first, unquote(path), int(size), types[2:], owner, archive)
    except (ValueError, IndexError) as error:
        raise ListingError(f"not a line of borg list: {line[:200]!r}") from error


class Owner(NamedTuple):
    """``user``, ``group``: empty where borg knows only the number."""

    uid: int
    gid: int
    user: str
    group: str


def parse_owner(text: str) -> Owner:
    """Parse the owner of a :class:`Place`; raises :class:`ListingError`."""
    try:
        uid, gid, user, group = text.split("\t")
        return Owner(int(uid), int(gid), _name(user), _name(group))
    except ValueError as error:
        raise ListingError(f"not an owner of borg list: {text[:200]!r}") from error


def _name(literal: str) -> str:
    return unquote(literal) if literal[:1] in ("'", '"') else ""


def render(item: Attributes) -> str:
    """The text that :func:`parse` reads as ``item``."""
    return "\t".join(
        (
            f"{item.kind.replace('h', '-')}{item.kind}{item.mode}",
            str(item.uid),
            str(item.gid),
            repr(item.user) if item.user else str(item.uid),
            repr(item.group) if item.group else str(item.gid),
            str(item.size),
            f"{item.mtime // 1_000_000}.{item.mtime % 1_000_000:06}",
            "broken" if item.is_broken else "healthy",
            repr(item.source),
        )
    )
