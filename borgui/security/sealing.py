"""Sealing: columns of the database (Fernet), and specs on their way through Redis (AES-GCM)."""

import base64
import binascii
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from borgui.security.keys import Keys

NONCE = 12


class SealError(Exception):
    """What was sealed cannot be opened: changed on the way, or sealed with another key."""


class Sealer:
    """Seals text for the database; opens what any of the keys has sealed."""

    def __init__(self, keys: Keys) -> None:
        self._fernet = MultiFernet(
            [Fernet(base64.urlsafe_b64encode(key)) for key in keys.database()]
        )

    def seal(self, text: str) -> str:
        """An ASCII token that holds ``text``."""
        return self._fernet.encrypt(text.encode("utf-8", "surrogateescape")).decode()

    def open(self, token: str) -> str:
        """The text of a token; raises :class:`SealError`."""
        try:
            return self._fernet.decrypt(token.encode()).decode("utf-8", "surrogateescape")
        except InvalidToken as error:
            raise SealError("A sealed value cannot be opened with the present key.") from error

    def renew(self, token: str) -> str:
        """The same text sealed with the present key; raises :class:`SealError`."""
        try:
            return self._fernet.rotate(token.encode()).decode()
        except InvalidToken as error:
            raise SealError("A sealed value cannot be opened with the present key.") from error


def seal_spec(
    spec: dict[str, Any], keys: tuple[bytes, ...], job: int, attempt: int, machine: str
) -> str:
    """A spec as ASCII text that only the machine's key opens, for this job and attempt alone."""
    nonce = os.urandom(NONCE)
    bound = f"{job}:{attempt}:{machine}".encode()
    return base64.b64encode(
        nonce + AESGCM(keys[0]).encrypt(nonce, json.dumps(spec).encode(), bound)
    ).decode()


def open_spec(
    sealed: str, keys: tuple[bytes, ...], job: int, attempt: int, machine: str
) -> dict[str, Any]:
    """The spec; raises :class:`SealError` when any of it, or what it is bound to, differs."""
    bound = f"{job}:{attempt}:{machine}".encode()
    try:
        raw = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SealError("The job's instructions are no sealed text.") from error
    for key in keys:
        try:
            spec = json.loads(AESGCM(key).decrypt(raw[:NONCE], raw[NONCE:], bound))
        except (InvalidTag, ValueError):
            continue
        if isinstance(spec, dict):
            return spec
    raise SealError("The job's instructions do not bear this installation's seal.")
