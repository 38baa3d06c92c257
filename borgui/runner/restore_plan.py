"""What a restore is to do, and what is certain of it before borg has run."""

import os
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from borgui.borg.progress import Progress
from borgui.borg.selection import Selected, keep_out, places, stripped
from borgui.roots import EVERYTHING, is_inside
from borgui.runner import filesystem, surveying, target
from borgui.runner.failure import FailedError
from borgui.runner.listed import selected_of
from borgui.runner.spec import Step, unpack
from borgui.runner.surveying import Survey
from borgui.runner.work import Work

NOTHING_RESTORED = "Nothing was restored."


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be restored: ``parameters`` of its step. Paths are str with surrogate escapes."""

    destination: str
    selected: tuple[Selected, ...]
    strip_components: int
    overwrite: bool
    expected_size: int | None
    protected: tuple[str, ...]
    """Folders nothing is ever written to: our own data, and the machine's repositories."""
    stored: tuple[str, ...]
    """What the archive's folders begin with, as far as it is known."""
    ignore_free_space: bool = False
    """Whether it is begun where what borg lists does not fit: files with holes take less."""
    archive: str = ""
    """Borg's id of the archive that is meant."""
    roots: tuple[str, ...] = EVERYTHING
    """All that is restored comes to lie in these."""

    @classmethod
    def of(cls, step: Step, work: Work) -> "Plan":
        """Read it; raises FailedError for a destination that is none."""
        given = step.parameters
        selected = selected_of(given)
        others = [unpack(each) for each in given.get("protected_b64") or ()]
        own = [os.fspath(work.config.data_dir), step.local_repository, *others]
        return cls(
            destination=target.normal(unpack(given["destination_b64"])),
            selected=selected,
            strip_components=int(given.get("strip_components") or 0),
            overwrite=bool(given.get("overwrite")),
            expected_size=given.get("expected_size"),
            protected=tuple(dict.fromkeys(each for path in own if path for each in _both(path))),
            stored=tuple(each.path for each in selected)
            or tuple(unpack(each).strip("/") for each in given.get("sources_b64") or ()),
            ignore_free_space=bool(given.get("ignore_free_space")),
            archive=str(given.get("archive_id") or ""),
            roots=tuple(map(unpack, given.get("roots_b64") or ())) or EVERYTHING,
        )

    def check(self, work: Work) -> None:
        """Raise FailedError where it is certain before borg has run that it cannot be done."""
        target.refuse_inside(self.destination, self.protected)
        for path in self.stored:
            # borg follows a link that stands where an entry's parents would: see where it leads
            parts = path.split("/")[self.strip_components : -1]
            parent = posixpath.join(self.destination, *parts)
            if not is_inside(parent, self.protected):  # else borg is kept out of it
                target.refuse_inside(parent, self.protected)
        self.check_roots(os.path.realpath(self.destination))
        if self.overwrite:
            places_there = self._places(self.destination)
            target.refuse_links_out(self.destination, places_there, self.roots, lambda: _look(work))
        self._check_alone()

    def _check_alone(self) -> None:
        """The destination without what is mounted below it: all of it may come to lie there."""
        anchor = target.deepest(self.destination, "")
        if anchor != self.destination:
            target.check(anchor)
        elif not posixpath.isdir(anchor) or not surveying.mounts_below(os.path.realpath(anchor)):
            target.check_usable(anchor)
        else:
            return
        if self.expected_size is not None and not self.selected and not self.overwrite:
            self.check_space(anchor, self.expected_size)

    def check_space(self, folder: str, size: int) -> None:
        """Raise FailedError where ``size`` bytes do not fit into ``folder``."""
        self.refuse(target.lack(folder, size))

    def refuse(self, lack: str | None) -> None:
        """Raise FailedError where space is lacking."""
        if lack is not None and not self.ignore_free_space:
            said = "Free some space, select less, or restore to another folder."
            raise FailedError("no_space", f"{lack} {said}")

    def check_roots(self, destination: str) -> None:
        """Raise FailedError where something would leave the roots. ``destination`` is free of
        links; below it only an overwriting borg follows any."""
        target.refuse_outside(self._places(destination), self.roots)

    def _places(self, destination: str) -> list[str]:
        return places(destination, self.selected, self.strip_components)

    def survey(self) -> Survey:
        """One that has seen nothing yet."""
        destination = os.path.realpath(self.destination)
        found = Survey(
            destination=destination,
            strip=self.strip_components,
            overwrite=self.overwrite,
            protected=self.protected,
            archive=self.archive,
            selected=frozenset(each.path for each in self.selected),
            may_chown=surveying.may_chown(),
        )
        above = "/" if self.overwrite else destination
        found.split_at([*surveying.mounts_below(above), *self._footholds(destination)])
        return found

    def _footholds(self, destination: str) -> list[str]:
        """What is stored and there, where nothing can be made beside it."""
        found = []
        for path in self.stored:
            place = posixpath.join(destination, stripped(path, self.strip_components))
            if place != destination and not filesystem.allows(posixpath.dirname(place), os.W_OK):
                is_real = os.path.realpath(place) == place and posixpath.isdir(place)
                found += [place] if is_real else []
        return found

    def excludes(self) -> list[str]:
        """Patterns that keep borg out of what is protected."""
        found = []
        for root in _both(self.destination):
            for folder in self.protected:
                if folder != root and folder.startswith(root.rstrip("/") + "/"):
                    inside = os.path.relpath(folder, root)
                    found.append(keep_out(inside, self.strip_components))
        return list(dict.fromkeys(found))


def _look(work: Work) -> None:
    """While the destination is looked at."""
    work.progress(Progress(progress_message="Looking at the destination"))
    work.check_stop(NOTHING_RESTORED)


def _both(path: str) -> Iterable[str]:
    """A path as it is written and as it is without links."""
    return dict.fromkeys((os.path.normpath(path), os.path.realpath(path)))
