"""What every page has around it: navigation, icons, assets, theme, the viewer's time zone."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from flask import Flask, Response, g, render_template, request, url_for
from markupsafe import Markup, escape
from werkzeug.security import safe_join

from borgui.config import ROOT
from borgui.models import now
from borgui.security.permissions import Permission
from borgui.web import filters

SPRITE = "/static/vendor/tabler-icons-3.51.0/icons.svg"
THEMES = ("system", "light", "dark")


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation."""

    label: str
    icon: str
    endpoint: str
    permission: Permission = Permission.VIEW

    @property
    def is_current(self) -> bool:
        """Whether this page, or one below it, is being shown."""
        return (request.blueprint or "") == self.endpoint.partition(".")[0]


PLACES = (
    Place("Dashboard", "layout-dashboard", "dashboard.index"),
    Place("Repositories", "database", "repositories.index"),
    Place("Archives", "archive", "archives.index", Permission.BROWSE),
    Place("Jobs", "list-details", "jobs.index"),
    Place("Settings", "settings", "settings.edit", Permission.MANAGE),
)
"""In the order of the map. A new area adds its line."""


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Render a template. Whatever odd text is in it, it can be encoded and sent."""
    return answer(render_template(template, **values), status)


def answer(html: str, status: int = 200) -> Response:
    """An HTML response; a stray surrogate is written as an escape, never a reason to fail."""
    body = html.encode("utf-8", "backslashreplace")
    return Response(body, status, content_type="text/html; charset=utf-8")


def wants_partial() -> bool:
    """Whether htmx asks, and means a part of the page."""
    return request.headers.get("HX-Request") == "true"


def icon(name: str, classes: str = "", label: str = "") -> Markup:
    """An icon of the sprite; without a ``label`` it is decoration and hidden from readers."""
    role = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    place = f"{escape(request.script_root)}{SPRITE}#{name}"
    return Markup(f'<svg class="icon {classes}" {role}><use href="{place}"></use></svg>')  # noqa: S704


def asset(name: str) -> str:
    """The URL of a file of ours under ``static/``; it changes with the file's content."""
    return url_for("static", filename=name, v=_digest(name))


def is_current(name: str, version: str) -> bool:
    """Whether ``version`` is what :func:`asset` says of a file under ``static/``."""
    place = safe_join(str(ROOT / "static"), name) if version else None
    return place is not None and Path(place).is_file() and _digest(name) == version


@lru_cache(maxsize=64)
def _digest(name: str) -> str:
    return hashlib.sha256((ROOT / "static" / name).read_bytes()).hexdigest()[:10]


def theme() -> str:
    """``light``, ``dark`` or ``system``, from the cookie that the switch writes."""
    chosen = request.cookies.get("borgui_theme", "system")
    return chosen if chosen in THEMES else "system"


def viewer_zone() -> ZoneInfo:
    """The zone of whoever looks, from the cookie the browser writes; UTC until it has."""
    if "zone" not in g:
        g.zone = _zone(unquote(request.cookies.get("borgui_zone", "")) or "UTC")
    zone: ZoneInfo = g.zone
    return zone


def _zone(name: str) -> ZoneInfo:
    if (
        len(name) > 64
        or not name.replace("/", "").replace("_", "").replace("-", "").replace("+", "").isalnum()
    ):
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def moment(value: datetime | None, text: str | None = None, focus: str = "") -> Markup:
    """``3 h ago`` with the exact time and zone on hover; on focus too where ``focus`` is given."""
    if value is None:
        return filters.UNKNOWN
    whole = filters.exact(value, viewer_zone())
    reachable = ' tabindex="0"' if focus else ""
    return Markup(  # noqa: S704 - nothing in it comes from outside
        f'<time datetime="{filters.machine_time(value)}" title="{whole}" data-whole="{whole}"'
        f"{reachable}>{filters.ago(value) if text is None else escape(text)}</time>"
    )


def exact(value: datetime) -> str:
    """The exact time in the viewer's zone."""
    return filters.exact(value, viewer_zone())


def once() -> str:
    """A one-time token for a form: sent twice, it starts one job."""
    return secrets.token_urlsafe(18)


def changed_url(**values: Any) -> str:
    """This page's URL with some of its query changed (``None`` drops a parameter)."""
    query: dict[str, Any] = {**request.args.to_dict(), **values}
    kept = {name: value for name, value in query.items() if value not in (None, "")}
    return url_for(str(request.endpoint), **{**(request.view_args or {}), **kept})


def register(app: Flask) -> None:
    """Give every template these filters and functions."""
    environment = app.jinja_env
    environment.trim_blocks = environment.lstrip_blocks = True
    named: dict[str, Callable[..., Any]] = {
        "path": filters.path,
        "short": filters.short,
        "marked": filters.marked,
        "printable": filters.printable,
        "size": filters.size,
        "number": filters.number,
        "span": filters.span,
        "age": filters.age,
        "moment": moment,
        "exact": exact,
    }
    environment.filters.update(named)
    environment.globals.update(
        icon=icon,
        asset=asset,
        theme=theme,
        places=PLACES,
        once=once,
        now=now,
        changed_url=changed_url,
        unknown=filters.UNKNOWN,
    )
