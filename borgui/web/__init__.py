"""Pages, one file an area. :data:`BLUEPRINTS` lists them all; so must ``security/access.py``."""

from flask import Blueprint

from borgui.web.account import account

BLUEPRINTS: tuple[Blueprint, ...] = (account,)
