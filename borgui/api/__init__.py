"""The JSON contract, one file a resource. :data:`BLUEPRINTS` is what the application serves."""

from flask import Blueprint

from borgui.api import (
    archives,
    auth,
    downloads,
    folders,
    jobs,
    kinds,
    mounts,
    openapi,
    repositories,
    settings,
    tokens,
    versions,
)
from borgui.api.blueprint import api
from borgui.api.health import health

RESOURCES = (
    archives,
    auth,
    downloads,
    folders,
    jobs,
    kinds,
    mounts,
    openapi,
    repositories,
    settings,
    tokens,
    versions,
)
"""Importing one adds its routes to the blueprint."""

BLUEPRINTS: tuple[Blueprint, ...] = (health, api)
