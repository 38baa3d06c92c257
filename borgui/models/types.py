"""Column types for what SQL has no word for: paths as bytes, lists of them, instants, secrets."""

import os
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, Dialect, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from borgui.security.sealing import Sealer


class PathBytes(TypeDecorator[str]):
    """A path of the file system: ``str`` with surrogateescape in Python, its bytes in the row."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        return None if value is None else os.fsdecode(bytes(value))


class PathList(TypeDecorator[list[str]]):
    """Paths in order, kept as bytes with a NUL after each (the one byte no path can hold)."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> bytes | None:
        return None if value is None else b"".join(os.fsencode(path) + b"\0" for path in value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> list[str] | None:
        if value is None:
            return None
        return [os.fsdecode(part) for part in bytes(value).split(b"\0")[:-1]]


class Instant(TypeDecorator[datetime]):
    """A moment: aware in Python, always UTC in the row. A naive one is a mistake and refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Secret(TypeDecorator[str]):
    """Text that is sealed in the row and readable only with the product's key.

    :attr:`sealer` is set once, when the process is configured.
    """

    impl = Text
    cache_ok = True
    sealer: ClassVar[Sealer]

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.sealer.seal(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.sealer.open(value)
