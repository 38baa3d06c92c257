"""Reading HTML forms: lists a line each, numbers, ticks, and the one-time token."""

from flask import request
from flask_login import current_user


def token() -> str | None:
    """The form's one-time token as an idempotency key: the same form sent twice is one job."""
    given = request.form.get("once", "")[:64]
    return f"{current_user.id}:{given}" if given else None


def line(name: str) -> str:
    """One line, without the blanks around it."""
    return request.form.get(name, "").strip()


def number(name: str) -> int | str:
    """A whole number, or what was typed as it stands, for a check to refuse."""
    text = line(name)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else text


def lines(name: str) -> list[str]:
    """The lines of a text area that hold something; what a line begins or ends with is kept."""
    return split_lines(request.form.get(name, ""))


def split_lines(text: str) -> list[str]:
    """Those of :func:`lines`, of what a text area held. A name may hold all else that Unicode
    takes for the end of a line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [each for each in lines if each.strip()]


def ticked(name: str) -> bool:
    """Whether a box was ticked."""
    return name in request.form
