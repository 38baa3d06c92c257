"""All pages, tied to the application: blueprints, filters, what every template may use."""

from flask import Flask, request

from borgui.security.access import can
from borgui.security.permissions import Permission
from borgui.web import layout
from borgui.web.archives import archives
from borgui.web.dashboard import dashboard
from borgui.web.downloads import downloads
from borgui.web.folders import folders
from borgui.web.job_line import LABELS
from borgui.web.jobs import jobs
from borgui.web.notices import missing, notices
from borgui.web.repositories import repositories
from borgui.web.settings import settings

PAGES = (dashboard, repositories, archives, downloads, jobs, settings, folders, notices)


def register(app: Flask) -> None:
    """Give ``app`` its pages."""
    layout.register(app)
    app.jinja_env.globals["missing_parts"] = missing
    app.context_processor(_around)
    for blueprint in PAGES:
        app.register_blueprint(blueprint)


def _around() -> dict[str, object]:
    """What the partials are given, so that they read no request themselves."""
    return {
        "root": request.script_root,
        "sprite": layout.SPRITE,
        "browse": can(Permission.BROWSE),
        "run": can(Permission.RUN),
        "kind_labels": LABELS,
    }
