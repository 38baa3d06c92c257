"""How large a number in an address may be, which Flask leaves open."""

from flask import Flask
from werkzeug.routing import BaseConverter


class Number(BaseConverter):
    """``<int:…>``: a number that can be a row's id. A longer one is no address at all: 404.

    The pattern alone says so. A converter that refuses what its pattern lets pass makes a 405 where
    two calls share the address. A row's id could be a little larger (2**31 - 1 in an INTEGER column
    of PostgreSQL); none ever is.
    """

    regex = r"[0-9]{1,9}"

    def to_python(self, value: str) -> int:
        """The number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """The number as text."""
        return str(int(value))


def init_app(app: Flask) -> None:
    """Let every route of ``app`` use it."""
    app.url_map.converters["int"] = Number
