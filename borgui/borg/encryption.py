"""The encryption modes of borg 1.x, in the order in which to offer them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Mode:
    """``name`` is borg's. ``needs_keyfile``: the key lies on this machine, not in the repository.

    ``needs_passphrase``: the key is protected by one. borg would take an empty one, with which
    the key protects nothing.
    """

    name: str
    title: str
    description: str
    needs_passphrase: bool
    needs_keyfile: bool = False


MODES: Final = (
    Mode(
        "repokey-blake2",
        "Encrypted, key in the repository (BLAKE2b)",
        "Recommended. Needs the passphrase only; fast on most machines. Export the key as well: "
        "a damaged repository may lose it.",
        needs_passphrase=True,
    ),
    Mode(
        "repokey",
        "Encrypted, key in the repository (SHA-256)",
        "As above; faster where the processor has SHA instructions.",
        needs_passphrase=True,
    ),
    Mode(
        "keyfile-blake2",
        "Encrypted, key on this machine (BLAKE2b)",
        "To read an archive takes the passphrase and the key file. Without a copy of the key "
        "elsewhere, losing this machine loses every archive.",
        needs_passphrase=True,
        needs_keyfile=True,
    ),
    Mode(
        "keyfile",
        "Encrypted, key on this machine (SHA-256)",
        "As above; faster where the processor has SHA instructions.",
        needs_passphrase=True,
        needs_keyfile=True,
    ),
    Mode(
        "authenticated-blake2",
        "Not encrypted, protected against changes (BLAKE2b)",
        "Whoever can read the repository can read the files; nobody can change them unnoticed "
        "without the passphrase.",
        needs_passphrase=True,
    ),
    Mode(
        "authenticated",
        "Not encrypted, protected against changes (SHA-256)",
        "As above; faster where the processor has SHA instructions.",
        needs_passphrase=True,
    ),
    Mode(
        "none",
        "Not encrypted, not protected",
        "Whoever reaches the repository can read and change the archives. No passphrase.",
        needs_passphrase=False,
    ),
)

BY_NAME: Final = {mode.name: mode for mode in MODES}
