"""What an admin may change while the product runs."""

from dataclasses import asdict
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, Response, flash, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from borgui.errors import Invalid
from borgui.models import Session, Settings, read_settings
from borgui.settings import SettingsChange
from borgui.settings import change as store
from borgui.validation import checked
from borgui.web.forms import line
from borgui.web.layout import page

settings = Blueprint("settings", __name__, url_prefix="/settings")

LABELS = {
    "timezone": "Time zone",
    "log_retention_jobs": "Jobs kept",
    "retry_limit": "Automatic tries",
    "retry_delay_seconds": "Seconds before the first try",
    "backup_time_limit_hours": "Longest backup, in hours",
    "backup_limit": "Backups at once",
}


@settings.get("")
def edit() -> Response:
    """The form."""
    return _page(asdict(read_settings(Session())), {}, 200)


@settings.post("")
def change() -> AnyResponse:
    """Save it, or show it again with what is wrong."""
    typed: dict[str, Any] = {name: line(name) for name in asdict(Settings())}
    given = {name: _number(text) if name != "timezone" else text for name, text in typed.items()}
    try:
        store(Session(), checked(SettingsChange, given))
    except Invalid as error:
        return _page(typed, error.fields, 422)
    flash("Saved.", "good")
    return redirect(url_for("settings.edit"), 303)


def _number(text: str) -> int | str:
    """What was typed as a number, or as it stands for the check to refuse."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else text


def _page(form: dict[str, Any], errors: dict[str, str], status: int) -> Response:
    return page(
        "settings/index.html",
        status,
        form=form,
        errors=errors,
        labels=LABELS,
        zones=sorted(available_timezones()),
    )
