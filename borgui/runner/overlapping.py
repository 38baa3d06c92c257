"""Finds what of an archive must not be extracted beside its symbolic links.

An archive can hold a link and entries below that same path: of two sources that overlap by way of
a link, where leading parts are taken off, or since somebody made it so. ``borg extract`` would make
the link and then write those entries through it, to wherever it leads.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from borgui.borg import commands, listing, selection
from borgui.borg.display import as_borg_prints
from borgui.borg.listing import Place
from borgui.runner.failure import FailedError
from borgui.runner.listed import ListedText
from borgui.runner.outcome import MOST_NAMED
from borgui.runner.spec import Step
from borgui.runner.work import Work, run_whole

BELOW = "It lies below a link of the same archive and was not restored; select it by itself."
AT = "The archive holds a link in the same place too, so it was not restored."
UPWARD = "Its path leads out of the folder that is restored to; it was not restored."
SOURCE = (
    "It is a further name of a file that lies below a link of the same archive, and was not"
    " restored; select it by itself."
)

MOST_PATTERN_BYTES = 100_000
"""Of all excludes together: the kernel limits a command line, and borg tries each at every path."""


Take = Callable[[Place, Sequence[str]], bool]
"""Hears of an entry and of where it comes to lie; whether it is to be restored."""


class Links:
    """Where an archive's links come to lie. Feed it every entry, then ask about any.

    Of each path only a hash is kept: eight bytes an entry, and a set of those of the links.
    """

    def __init__(self, strip_components: int = 0) -> None:
        self.strip = strip_components
        self._links: set[int] = set()
        self._shown: set[int] = set()
        """As borg shows them, like the first names of hard links."""
        self._places = _Hashes()
        self._sources = _Hashes()
        self._leads_up = False

    def add(self, place: Place, parts: list[str] | None = None) -> None:
        """The next entry; ``parts`` where they are known."""
        if parts is None:
            parts = self.parts(place.path)
        if not parts:
            return
        self._leads_up = self._leads_up or ".." in parts
        self._places.add_folders(parts)
        if place.kind == "l":
            name = "/".join(parts)
            self._links.add(hash(name))
            self._shown.add(hash(as_borg_prints(name)))
            return
        self._places.add(parts)
        if place.kind == "h":
            source = self.parts(place.source)
            self._leads_up = self._leads_up or ".." in source
            self._sources.add_folders(source)

    @property
    def is_clean(self) -> bool:
        """Whether all of it may be extracted together."""
        return not (
            self._leads_up or self._places.any_in(self._links) or self._sources.any_in(self._shown)
        )

    def parts(self, path: str) -> list[str]:
        """Where ``path`` comes to lie, below the destination."""
        found = path.split("/")[self.strip :]
        if "" in found or "." in found:
            return [part for part in found if part not in {"", "."}]
        return found

    def above(self, parts: Sequence[str]) -> Sequence[str] | None:
        """The uppermost link above ``parts``."""
        return _above(parts, self._links)

    def may_be_above(self, path: str) -> bool:
        """Whether a link is above ``path``, which may be as borg shows it."""
        parts = self.parts(path)
        return bool(self.above(parts) or _above(parts, self._shown))

    def clash(self, place: Place) -> str | None:
        """Why an entry cannot even be extracted by itself."""
        parts = self.parts(place.path)
        if ".." in parts or (place.kind == "h" and ".." in self.parts(place.source)):
            return UPWARD
        return AT if place.kind != "l" and hash("/".join(parts)) in self._links else None

    def fault(self, place: Place) -> str | None:
        """Why an entry cannot be extracted together with all others."""
        if clash := self.clash(place):
            return clash
        if self.above(self.parts(place.path)) is not None:
            return BELOW
        is_further = place.kind == "h"
        if is_further and _above(self.parts(place.source), self._shown) is not None:
            return SOURCE
        return None


class _Hashes:
    """Hashes of paths, each in eight bytes."""

    def __init__(self) -> None:
        self._found = array("q")
        self._last: Sequence[str] = ()

    def add(self, parts: Sequence[str]) -> None:
        """A path."""
        self._found.append(hash("/".join(parts)))

    def add_folders(self, parts: Sequence[str]) -> None:
        """All folders above a path; those above the one before are not noted again."""
        folder = parts[:-1]
        if folder == self._last:
            return
        known = 0
        for mine, last in zip(folder, self._last, strict=False):
            if mine != last:
                break
            known += 1
        for length in range(known + 1, len(folder) + 1):
            self.add(folder[:length])
        self._last = folder

    def any_in(self, others: set[int]) -> bool:
        """Whether one of them is one of ``others``."""
        return bool(others) and any(each in others for each in self._found)


@dataclass(slots=True)
class LeftOut:
    """What is not extracted: how much, the first of it with the reasons, and borg's excludes."""

    links: Links
    count: int = 0
    named: list[tuple[str, str]] = field(default_factory=list)
    patterns: dict[str, None] = field(default_factory=dict)
    size: int = 0

    def add(self, place: Place, fault: str) -> None:
        """One entry. Raises FailedError where borg cannot be told all that it is to leave out."""
        self.count += 1
        if len(self.named) < MOST_NAMED:
            self.named.append((place.path, fault))
        pattern = self._pattern(place, fault)
        if pattern in self.patterns:
            return
        self.patterns[pattern] = None
        self.size += len(pattern) + 16
        if self.size > MOST_PATTERN_BYTES:
            raise FailedError(
                "too_many_links",
                "Too much of it lies below links of the same archive for borg to be kept from"
                " following them. Select less.",
            )

    def holds(self, path: str) -> bool:
        """Whether a selected path is left out, with all below it."""
        return any(each == path for each, _fault in self.named) or (
            bool(self.count) and self.links.may_be_above(path)
        )

    def _pattern(self, place: Place, fault: str) -> str:
        parts = self.links.parts(place.path)
        if ".." in parts:
            return selection.UPWARD
        link = self.links.above(parts)
        if fault == BELOW and link is not None:
            return selection.keep_below(link, self.links.strip)
        return selection.exactly(place.path)


def look(work: Work, step: Step, links: Links, take: Take, said: str = "") -> None:
    """Show ``links`` all that ``step`` (an ``extract``, or a listing) selects, as far as ``take``
    takes it. Raises FailedError, as ``take`` may."""
    _list(work, step, Looking(links, take), said)


def sort_out(work: Work, step: Step, links: Links, said: str = "") -> LeftOut:
    """What of all that ``step`` selects, which ``links`` knows, is not to be extracted.

    Borg lists it once more where there is something. Raises FailedError.
    """
    found = LeftOut(links)
    if not links.is_clean:
        _list(work, step, Sorting(found), said)
    return found


def tell(work: Work, left_out: LeftOut) -> None:
    """Warn of what is left out."""
    for path, fault in left_out.named:
        work.warn(fault, path)
    more = left_out.count - len(left_out.named)
    if more:
        work.warn(f"{more:,} further entries lie below links of the same archive too.")


def _list(work: Work, step: Step, reader: ListedText, said: str) -> None:
    argv = tuple(commands.list_places(step.argv))
    run_whole(work, replace(step, name="preview", argv=argv, cwd=None), reader, said)


class Looking(ListedText):
    """Feeds a listing to ``links``."""

    def __init__(self, links: Links, take: Take) -> None:
        self._links = links
        self._wants = take

    def take(self, line: str) -> None:
        """Take one entry."""
        place = listing.parse_place(line)
        parts = self._links.parts(place.path)
        if self._wants(place, parts):
            self._links.add(place, parts)


class Sorting(ListedText):
    """Tells what is to be left out."""

    def __init__(self, left_out: LeftOut) -> None:
        self._left_out = left_out

    def take(self, line: str) -> None:
        """Take one entry."""
        place = listing.parse_place(line)
        if fault := self._left_out.links.fault(place):
            self._left_out.add(place, fault)


def _above(parts: Sequence[str], links: set[int]) -> Sequence[str] | None:
    for length in range(1, len(parts)):
        if hash("/".join(parts[:length])) in links:
            return parts[:length]
    return None
