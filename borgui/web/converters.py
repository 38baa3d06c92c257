"""How large a number in an address may be, which Flask leaves open."""

from flask import Flask
from werkzeug.routing import BaseConverter, ValidationError

LARGEST = 2**31 - 1
"""Of an INTEGER column of PostgreSQL; SQLite takes larger ones, up to 2**63 - 1."""


class Number(BaseConverter):
    """``<int:…>``: a number that can be a row's id. A larger one is no row: 404, no overflow."""

    regex = r"[0-9]{1,10}"

    def to_python(self, value: str) -> int:
        """The number, if a row could have it."""
        number = int(value)
        if number > LARGEST:
            raise ValidationError
        return number

    def to_url(self, value: int) -> str:
        """The number as text."""
        return str(int(value))


def init_app(app: Flask) -> None:
    """Let every route of ``app`` use it."""
    app.url_map.converters["int"] = Number
