"""What an admin may change while the product runs."""

from dataclasses import asdict
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, Response, flash, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from borgui.errors import Invalid
from borgui.models import Session, Settings, read_settings, write_settings
from borgui.web.forms import line, whole_number
from borgui.web.layout import page

settings = Blueprint("settings", __name__, url_prefix="/settings")

RANGES = {
    "log_retention_jobs": (1, 100_000),
    "retry_limit": (0, 20),
    "retry_delay_seconds": (1, 86_400),
    "backup_time_limit_hours": (0, 8_760),
    "backup_limit": (0, 64),
}
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
    typed = {name: line(name) for name in asdict(Settings())}
    errors: dict[str, str] = {}
    values: dict[str, Any] = {"timezone": typed["timezone"]}
    if typed["timezone"] not in available_timezones():
        errors["timezone"] = "Give the name of a zone, such as Europe/Berlin or UTC."
    for name, (low, high) in RANGES.items():
        try:
            values[name] = whole_number(name, low, high)
        except Invalid as error:
            errors |= error.fields
    if errors:
        return _page(typed, errors, 422)
    write_settings(Session(), values)
    Session.commit()
    flash("Saved.", "good")
    return redirect(url_for("settings.edit"), 303)


def _page(form: dict[str, Any], errors: dict[str, str], status: int) -> Response:
    return page(
        "settings/index.html",
        status,
        form=form,
        errors=errors,
        labels=LABELS,
        zones=sorted(available_timezones()),
    )
