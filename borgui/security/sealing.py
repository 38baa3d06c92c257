"""Sealing: columns of the database, and specs on their way through Redis.

Both as XChaCha20-Poly1305 with a random nonce of 24 bytes before what is sealed, in base64.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

from nacl.exceptions import CryptoError
from nacl.secret import Aead

from borgui.security.keys import Keys


class SealError(Exception):
    """What was sealed cannot be opened: changed on the way, or sealed with another key."""


class Sealer:
    """Seals text for the database; opens what any of the keys has sealed."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys.database()

    def seal(self, text: str) -> str:
        """An ASCII token that holds ``text``."""
        return _seal(text.encode("utf-8", "surrogateescape"), self._keys[0])

    def open(self, token: str) -> str:
        """The text of a token; raises :class:`SealError`."""
        return _open(token, self._keys).decode("utf-8", "surrogateescape")


def seal_spec(
    spec: dict[str, Any], keys: Sequence[bytes], job: int, attempt: int, machine: str
) -> str:
    """A spec as ASCII text that only the machine's key opens, for this job and attempt alone."""
    return _seal(json.dumps(spec).encode(), keys[0], _bound(job, attempt, machine))


def open_spec(
    sealed: str, keys: Sequence[bytes], job: int, attempt: int, machine: str
) -> dict[str, Any]:
    """The spec; raises :class:`SealError` when any of it, or what it is bound to, differs."""
    try:
        plain = _open(sealed, keys, _bound(job, attempt, machine))
    except SealError as error:
        message = "The job's instructions do not bear this installation's seal."
        raise SealError(message) from error
    spec: dict[str, Any] = json.loads(plain)
    return spec


def _bound(job: int, attempt: int, machine: str) -> bytes:
    return f"{job}:{attempt}:{machine}".encode()


def _seal(plain: bytes, key: bytes, bound: bytes = b"") -> str:
    return base64.b64encode(Aead(key).encrypt(plain, bound)).decode()


def _open(sealed: str, keys: Sequence[bytes], bound: bytes = b"") -> bytes:
    """``bound`` is what it must have been sealed for; it is authenticated, and not part of it."""
    for key in keys:
        try:
            return Aead(key).decrypt(base64.b64decode(sealed, validate=True), bound)
        except (CryptoError, ValueError):
            continue
    raise SealError("A sealed value cannot be opened with the present key.")
