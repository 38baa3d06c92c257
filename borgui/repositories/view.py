"""A repository as the API answers it."""

from typing import Any

from borgui.jobs.view import iso, seen_reason
from borgui.models import Repository
from borgui.repositories.inputs import PLAIN
from borgui.validation import path_fields, to_b64

NAMING = frozenset({"exclude_patterns", "exclude_if_present", "exclude_caches", "extra_flags"})
"""Fields that name files, or may."""


def fields(repository: Repository, *, browse: bool = True) -> dict[str, Any]:
    """A repository as the API answers it. Never its passphrase or key.

    Without ``browse`` the sources and excludes, which name files, are None.
    """
    sources = repository.source_directories
    return {
        "id": repository.id,
        "name": repository.name,
        "machine": repository.machine,
        **path_fields("path", repository.path),
        "mode": repository.mode,
        "status": repository.status,
        "error_message": seen_reason(repository.error_message, browse=browse),
        "encryption": repository.encryption,
        "borg_id": repository.borg_id,
        "accept_unencrypted": repository.accept_unencrypted,
        "accept_relocated": repository.accept_relocated,
        "source_directories": [path_fields("p", path)["p"] for path in sources] if browse else None,
        "source_directories_b64": [to_b64(path) for path in sources] if browse else None,
        **{
            name: getattr(repository, name) if browse or name not in NAMING else None
            for name in PLAIN
        },
        "total_size": repository.total_size,
        "total_csize": repository.total_csize,
        "unique_size": repository.unique_size,
        "unique_csize": repository.unique_csize,
        "refreshed_at": iso(repository.refreshed_at),
        "created_at": iso(repository.created_at),
    }
