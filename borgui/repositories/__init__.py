"""Repositories: what may be asked of them, and what it means."""

from borgui.repositories.changes import change, create, delete_data, forget, load
from borgui.repositories.inputs import RepositoryChange, RepositoryInput
from borgui.repositories.view import fields

__all__ = (
    "RepositoryChange",
    "RepositoryInput",
    "change",
    "create",
    "delete_data",
    "fields",
    "forget",
    "load",
)
