"""Borg's versions: which are supported, and what differs between them."""

import re
from dataclasses import dataclass

_VERSION = re.compile(r"\bborg(?:\S*)?\s+(\d+)\.(\d+)(?:\.(\d+))?(\S*)")


class VersionError(ValueError):
    """What the program printed is not the answer of ``borg --version``."""


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A borg version; compares by its numbers, then by the suffix (``b23``, ``rc1``) as text."""

    major: int
    minor: int
    patch: int = 0
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}{self.suffix}"

    @property
    def diff_is_exact(self) -> bool:
        """Whether ``diff`` names bytes that are no UTF-8 as they are: 1.2.4 does, 1.4.5 writes
        ``?`` for each. What lies between is taken to be like the later one."""
        return (self.major, self.minor, self.patch) <= (1, 2, 4)

    @property
    def compares_contents_alone(self) -> bool:
        """Whether ``diff`` has ``--content-only`` (1.2.4 on)."""
        return (self.major, self.minor, self.patch) >= (1, 2, 4)


def parse_version(output: str) -> Version:
    """Read what ``borg --version`` printed (``borg 1.2.4``); raises :class:`VersionError`."""
    match = _VERSION.search(output)
    if match is None:
        raise VersionError(f"This is not a borg: it answered --version with {output[:80]!r}.")
    major, minor, patch, suffix = match.groups()
    return Version(int(major), int(minor), int(patch or 0), suffix)


def check_supported(version: Version) -> str | None:
    """Return None where borgui can drive this borg, else a sentence that says why not."""
    if version.major >= 2:
        return (
            f"borg {version} is not supported: borg 2 has other commands and another repository "
            "format. Install borg 1.4 or 1.2, or point BORGUI_BORG at one."
        )
    if (version.major, version.minor) < (1, 2):
        return (
            f"borg {version} is too old: it no longer gets security fixes. "
            "Install borg 1.4 or 1.2, or point BORGUI_BORG at one."
        )
    return None
