"""What is wrong with what is asked of a repository: sentences by field, none where nothing is."""

import os.path
import posixpath
from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from borgui.borg import encryption
from borgui.borg.display import printable_path
from borgui.borg.location import LocationError, parse_location
from borgui.borg.patterns import Decision, Matcher, parse_exclude, typeable
from borgui.config import Config
from borgui.models import read_settings
from borgui.repositories.inputs import RepositoryInput
from borgui.roots import is_inside, named
from borgui.validation import path_fields


def path_of(config: Config, data: RepositoryInput) -> tuple[str, dict[str, str]]:
    """The repository's path as borg is given it (empty when it cannot be used), and why not."""
    if (data.path is None) == (data.path_b64 is None):
        return "", {"path": "Give the path, once: as path or as path_b64."}
    try:
        location = parse_location(data.path if data.path is not None else data.path_b64 or "")
    except LocationError as error:
        return "", {"path": str(error)}
    if location.is_local and any(_is_below(location.path, each) for each in _own_folders(config)):
        return "", {"path": "This lies in borgui's own data folder. Choose a place outside it."}
    return str(location), {}


def _own_folders(config: Config) -> set[str]:
    return {os.fspath(config.data_dir), os.path.realpath(config.data_dir)}


def in_secrets(data: RepositoryInput) -> dict[str, str]:
    """Encryption, passphrase and key, as far as they do not go together."""
    if data.encryption is not None and data.encryption not in encryption.BY_NAME:
        known = ", ".join(encryption.BY_NAME)
        return {"encryption": f"Borg has no such mode. It has {known}."}
    if data.mode == "import":
        return {}
    faults = {}
    mode = encryption.BY_NAME[data.encryption or encryption.MODES[0].name]
    if mode.needs_passphrase and not data.passphrase:
        faults["passphrase"] = f"The mode {mode.name} needs a passphrase."
    if not mode.needs_passphrase and data.passphrase:
        faults |= {"passphrase": "The mode none has no passphrase. Leave it empty."}
    if data.key is not None:
        faults["key"] = "A key file belongs to an import: a new repository gets its own key."
    return faults


def outside_roots(session: Session, sources: Sequence[str]) -> dict[str, str]:
    """Sources as they are written; the machine looks again, with links followed. One that is not
    absolute is not here to tell."""
    roots = read_settings(session).source_roots
    for source in sources:
        if source.startswith("/") and not is_inside(source, roots):
            name = printable_path(source)
            return {"source_directories": f"{name} lies outside of {named(roots)}."}
    return {}


def in_sources(repository: str, sources: Sequence[str], excludes: Sequence[str]) -> dict[str, str]:
    """Sources that borg cannot take, or that would make it back up the repository into itself."""
    checks: tuple[Callable[[str], str | None], ...] = (
        lambda source: None if source.startswith("/") else "must be absolute",
        lambda source: _nested(repository, source, excludes),
    )
    for source in sources:
        for check in checks:
            if fault := check(source):
                name = path_fields("p", source)["p"]
                return {"source_directories": f"{name} {fault}."}
    return {}


def _nested(repository: str, source: str, excludes: Sequence[str]) -> str | None:
    if not repository.startswith("/"):
        return None
    if _is_below(source, repository):
        return "lies in the repository itself"
    if not _is_below(repository, source) or _is_excluded(repository, source, excludes):
        return None
    return (
        "holds the repository, which would be backed up into itself."
        f" Exclude it: {typeable(repository)}"
    )


def _is_excluded(path: str, source: str, excludes: Sequence[str]) -> bool:
    """Whether borg, walking down from ``source``, leaves out ``path`` or a folder above it."""
    # A regular expression may take for ever; the web has no time for that.
    quick = [pattern for pattern in excludes if not pattern.startswith("re:")]
    matcher = Matcher([parse_exclude(pattern) for pattern in quick])
    below = path
    while _is_below(below, source):
        if matcher.decide(below) is Decision.EXCLUDE:
            return True
        if below == source:
            break
        below = posixpath.dirname(below)
    return False


def _is_below(path: str, folder: str) -> bool:
    return is_inside(path, [folder])
