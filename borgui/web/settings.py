"""What an admin may change while the product runs."""

from dataclasses import asdict
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, Response, flash, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from borgui.errors import Invalid
from borgui.models import Session, Settings, read_settings
from borgui.settings import NAMING, SettingsChange
from borgui.settings import change as store
from borgui.validation import checked
from borgui.web.forms import line, lines, number, ticked
from borgui.web.layout import page

settings = Blueprint("settings", __name__, url_prefix="/settings")

LABELS = {
    "timezone": "Time zone",
    "log_retention_jobs": "Jobs kept",
    "retry_limit": "Automatic tries",
    "retry_delay_seconds": "Seconds before the first try",
    "backup_time_limit_hours": "Longest backup, in hours",
    "backup_limit": "Backups at once",
    "auto_index": "Read new archives in the background",
    "auto_index_idle_seconds": "Seconds of rest before that",
    "download_hours": "Downloads kept, in hours",
    "source_roots": "Folders that may be backed up",
    "restore_roots": "Folders that may be restored to",
}


@settings.get("")
def edit() -> Response:
    """The form."""
    values = asdict(read_settings(Session()))
    values |= {name: "\n".join(values[name]) for name in NAMING}
    return _page(values, {}, 200)


@settings.post("")
def change() -> AnyResponse:
    """Save it, or show it again with what is wrong."""
    defaults = asdict(Settings())
    typed = {name: _typed(name, default) for name, default in defaults.items()}
    given: dict[str, Any] = {**typed, **{name: lines(name) for name in NAMING}}
    given |= {name: number(name) for name, default in defaults.items() if type(default) is int}
    try:
        store(Session(), checked(SettingsChange, given))
    except Invalid as error:
        return _page(typed, error.fields, 422)
    flash("Saved.", "good")
    return redirect(url_for("settings.edit"), 303)


def _typed(name: str, default: object) -> str | bool:
    """What stands in the form; a box that is not ticked stands in none."""
    if isinstance(default, tuple):
        return "\n".join(lines(name))
    return ticked(name) if isinstance(default, bool) else line(name)


def _page(form: dict[str, Any], errors: dict[str, str], status: int) -> Response:
    return page(
        "settings/index.html",
        status,
        form=form,
        errors=errors,
        labels=LABELS,
        zones=sorted(available_timezones()),
    )
