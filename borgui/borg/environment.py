"""The whole environment of a borg process: nothing is inherited from ours.

Facts behind the values: stdin is closed and there is no terminal, so every question borg may ask
has its answer here ("no"), and a step that needs a "yes" adds one of the mappings below.
"""

import posixpath
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SSH_COMMAND: Final = (
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new"
    " -o ServerAliveInterval=10 -o ServerAliveCountMax=30"
)
"""Never asks; learns an unknown host once; notices a dead connection after five minutes."""

ACCEPT_RELOCATED: Final[Mapping[str, str]] = MappingProxyType(
    {"BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
)
"""Needed once; borg then remembers the new place in its security folder."""

ACCEPT_UNENCRYPTED: Final[Mapping[str, str]] = MappingProxyType(
    {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
)
"""Needed once for an unencrypted repository this borg did not create."""

CONFIRM_DELETE: Final[Mapping[str, str]] = MappingProxyType(
    {"BORG_DELETE_I_KNOW_WHAT_I_AM_DOING": "YES"}
)
"""For the one call that deletes a whole repository; borg takes exactly ``YES``."""


def forgetful(folder: str) -> dict[str, str]:
    """What has borg keep in ``folder`` what it remembers of repositories, and so forget it."""
    return {
        "BORG_CACHE_DIR": posixpath.join(folder, "cache"),
        "BORG_SECURITY_DIR": posixpath.join(folder, "security"),
    }


def keyless(folder: str) -> dict[str, str]:
    """What has borg look for keys in ``folder``, and put them there."""
    return {"BORG_KEYS_DIR": posixpath.join(folder, "keys")}


def base(
    *,
    borg_home: str,
    host_id: str,
    home: str,
    path: str = DEFAULT_PATH,
) -> dict[str, str]:
    """Return the environment of every borg run on this machine.

    ``borg_home`` is the folder with ``cache``, ``config``, ``security`` and ``keys`` (all four
    are persistent, so that borg's relocation and replay checks work). ``host_id`` is unique to
    the pid namespace: borg removes the locks of dead processes of its own host id.
    Values are str with surrogateescape. ``BORG_REPO`` and the passphrase are a step's own.
    """
    return {
        "HOME": home,
        "PATH": path,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "BORG_BASE_DIR": borg_home,
        "BORG_CACHE_DIR": posixpath.join(borg_home, "cache"),
        "BORG_CONFIG_DIR": posixpath.join(borg_home, "config"),
        "BORG_SECURITY_DIR": posixpath.join(borg_home, "security"),
        "BORG_KEYS_DIR": posixpath.join(borg_home, "keys"),
        "BORG_HOST_ID": host_id,
        "BORG_EXIT_CODES": "modern",
        "BORG_RSH": SSH_COMMAND,
        "BORG_DISPLAY_PASSPHRASE": "no",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "no",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no",
    }
