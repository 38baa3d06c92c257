"""The form of a repository: what was typed, as the form shows it again and as the domain takes it.

A passphrase or key is never shown again. Folders are typed one a line; one whose name is no text
travels beside them as base64.
"""

import base64
import binascii
import os
from typing import Any

from flask import request

from borgui.borg.encryption import MODES
from borgui.borg.names import DEFAULT_TEMPLATE
from borgui.errors import Invalid
from borgui.models import Repository
from borgui.validation import to_b64
from borgui.web.filters import is_odd, printable
from borgui.web.forms import line, lines, ticked

LABELS = {
    "name": "Name",
    "path": "Path",
    "encryption": "Encryption",
    "passphrase": "Passphrase",
    "passphrase_again": "Passphrase again",
    "key": "Key file",
    "source_directories": "Folders to back up",
    "exclude_patterns": "Exclude",
    "exclude_if_present": "Exclude folders that hold",
    "compression": "Compression",
    "archive_name_template": "Archive name",
    "extra_flags": "More flags of borg create",
}
TEXTS = ("name", "path", "compression", "archive_name_template", "extra_flags")
LISTS = ("source_directories", "exclude_patterns", "exclude_if_present")
TICKS = (
    "exclude_caches",
    "one_file_system",
    "include_secret_key",
    "accept_unencrypted",
    "accept_relocated",
)


def empty(mode: str) -> dict[str, Any]:
    """The form as it is first shown."""
    return {
        "mode": mode,
        "encryption": MODES[0].name,
        "compression": "lz4",
        "archive_name_template": DEFAULT_TEMPLATE,
        "odd_path": None,
        "odd_sources": [],
        **dict.fromkeys(LISTS, ""),
        **dict.fromkeys(TICKS, False),
    }


def of(repository: Repository) -> dict[str, Any]:
    """The form of a repository that is here."""
    sources = repository.source_directories
    return {
        **{name: getattr(repository, name) for name in TEXTS},
        **{name: getattr(repository, name) for name in TICKS},
        "mode": repository.mode,
        "encryption": repository.encryption,
        "source_directories": "\n".join(each for each in sources if not is_odd(each)),
        "odd_sources": [_odd(each) for each in sources if is_odd(each)],
        "exclude_patterns": "\n".join(repository.exclude_patterns),
        "exclude_if_present": "\n".join(repository.exclude_if_present),
    }


def read() -> dict[str, Any]:
    """The form as it was sent; to be shown again if something in it is wrong."""
    odd = [path for text in request.form.getlist("source_directories_b64") if (path := _path(text))]
    odd_path = _path(request.form.get("path_b64", ""))
    return {
        **{name: line(name) for name in TEXTS},
        **{name: "\n".join(lines(name)) for name in LISTS},
        **{name: ticked(name) for name in TICKS},
        "mode": "import" if line("mode") == "import" else "create",
        "encryption": line("encryption") or None,
        "odd_path": None if odd_path is None or line("path") else _odd(odd_path),
        "odd_sources": [_odd(each) for each in odd],
    }


def input_values(given: dict[str, Any]) -> dict[str, Any]:
    """What :class:`borgui.repositories.RepositoryInput` is made from."""
    values = change_values(given) | {"mode": given["mode"], "path": given["path"] or None}
    if given["odd_path"] is not None:
        values["path_b64"] = given["odd_path"]["b64"]
    if given["mode"] == "create":
        values["encryption"] = given["encryption"]
        if given["encryption"] == "none":
            values.pop("passphrase", None)
    else:
        values["key"] = request.form.get("key", "").replace("\r\n", "\n").strip() or None
    return {name: value for name, value in values.items() if value is not None}


def change_values(given: dict[str, Any]) -> dict[str, Any]:
    """What :class:`borgui.repositories.RepositoryChange` is made from; no passphrase: it stays."""
    typed = [to_b64(each) for each in given["source_directories"].split("\n") if each]
    values: dict[str, Any] = {name: given[name] for name in TEXTS if name != "path"}
    values |= {name: given[name] for name in TICKS}
    values["source_directories_b64"] = typed + [each["b64"] for each in given["odd_sources"]]
    for name in ("exclude_patterns", "exclude_if_present"):
        values[name] = [each for each in given[name].split("\n") if each]
    passphrase = request.form.get("passphrase", "")
    if passphrase:
        values["passphrase"] = passphrase
    return values


def check_passphrase(given: dict[str, Any]) -> None:
    """Raise :class:`Invalid` where a new passphrase was not typed twice alike."""
    if given["mode"] == "import" or given["encryption"] == "none":
        return
    if request.form.get("passphrase", "") != request.form.get("passphrase_again", ""):
        raise Invalid({"passphrase_again": "The two passphrases differ."})


def by_field(faults: dict[str, str]) -> dict[str, str]:
    """Faults under the names the form's fields have."""
    return {name.removesuffix("_b64"): text for name, text in faults.items()}


def _path(text: str) -> str | None:
    """What its base64 holds; None where it is none, or empty."""
    try:
        return os.fsdecode(base64.b64decode(text, validate=True)) or None
    except (binascii.Error, ValueError):
        return None


def _odd(path: str) -> dict[str, str]:
    return {"shown": path, "b64": to_b64(path), "text": printable(path)}
