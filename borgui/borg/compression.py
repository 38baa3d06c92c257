"""Borg's compression specifiers (``borg help compression``), checked before borg sees them."""

import re
from typing import Final

_LEVELS: Final = {"zstd": (1, 22), "zlib": (0, 9), "lzma": (0, 9)}

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,2}")


class CompressionError(ValueError):
    """Not a compression borg knows; the message says what is wrong."""


def validate_compression(text: str) -> str:
    """Return ``text`` if borg 1.2 and 1.4 take it; raises :class:`CompressionError`.

    ``none | lz4 | zstd[,1-22] | zlib[,0-9] | lzma[,0-9]``, ``auto,C``, ``obfuscate,SPEC,C``.
    """
    words = text.split(",")
    if words[0] == "obfuscate":
        _check_obfuscation(words[1:])
        words = words[2:]
        if not words:
            raise CompressionError("obfuscate needs a compression after its number.")
    if words[0] == "auto":
        words = words[1:]
        if not words:
            raise CompressionError("auto needs a compression after it, such as auto,zstd,3.")
    _check_algorithm(words)
    return text


def _check_obfuscation(words: list[str]) -> None:
    spec = int(words[0]) if words and _NUMBER.fullmatch(words[0]) else -1
    if not (1 <= spec <= 6 or 110 <= spec <= 123):
        raise CompressionError("obfuscate takes a number from 1 to 6 or from 110 to 123.")


def _check_algorithm(words: list[str]) -> None:
    name, *rest = words
    if name in {"none", "lz4"}:
        if rest:
            raise CompressionError(f"{name} takes no level.")
        return
    if name not in _LEVELS:
        raise CompressionError(
            f"{name!r} is no compression. Use none, lz4, zstd, zlib, lzma, or auto with one."
        )
    low, high = _LEVELS[name]
    if len(rest) > 1 or (rest and not _NUMBER.fullmatch(rest[0])):
        raise CompressionError(f"After {name} comes one level from {low} to {high}.")
    if rest and not low <= int(rest[0]) <= high:
        raise CompressionError(f"The level of {name} goes from {low} to {high}.")
