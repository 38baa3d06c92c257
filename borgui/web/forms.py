"""Reading HTML forms: lists a line each, ticks, numbers, and the one-time token."""

from flask import request
from flask_login import current_user

from borgui.errors import Invalid


def token() -> str | None:
    """The form's one-time token as an idempotency key: the same form sent twice is one job."""
    given = request.form.get("once", "")[:64]
    return f"{current_user.id}:{given}" if given else None


def line(name: str) -> str:
    """One line, without the blanks around it."""
    return request.form.get(name, "").strip()


def lines(name: str) -> list[str]:
    """The lines of a text area that hold something; what a line begins or ends with is kept."""
    text = request.form.get(name, "").replace("\r\n", "\n").replace("\r", "\n")
    return [each for each in text.split("\n") if each.strip()]


def ticked(name: str) -> bool:
    """Whether a box was ticked."""
    return name in request.form


def whole_number(name: str, low: int, high: int) -> int:
    """A whole number in a range; raises :class:`Invalid` for its field."""
    text = line(name)
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not low <= int(text) <= high:
        raise Invalid({name: f"Give a whole number from {low:,} to {high:,}."})
    return int(text)
