"""The master secret, and one key for each purpose derived from it (HKDF, RFC 5869)."""

import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from borgui import durable
from borgui.config import Config

FILE_NAME = "secret.key"
SHORTEST = 16


class MasterKeyError(Exception):
    """The master secret cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Master secrets, the present one first. Older ones only open what they once sealed."""

    masters: tuple[bytes, ...]

    def session(self) -> bytes:
        """32 bytes that sign sessions and CSRF tokens."""
        return derive(self.masters[0], "session")

    def database(self) -> tuple[bytes, ...]:
        """32 bytes each: the first seals columns, all open them."""
        return tuple(derive(master, "database") for master in self.masters)

    def transport(self, machine: str) -> tuple[bytes, ...]:
        """32 bytes each: the first seals specs for ``machine``, all open them."""
        return tuple(derive(master, f"transport:{machine}") for master in self.masters)


def derive(master: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose; knowing it tells nothing about any other.

    HKDF with SHA-256: its first block is all that 32 bytes need.
    """
    extracted = hmac.digest(b"borgui", master, "sha256")
    return hmac.digest(extracted, purpose.encode() + b"\x01", "sha256")


def load(config: Config) -> Keys:
    """The keys of this installation; makes ``DATA_DIR/secret.key`` at the first call.

    With ``BORGUI_SECRET_KEY`` that is the present master, and a ``secret.key`` that is there still
    opens what it sealed. In the file each line is a master, the first one the present one.
    Raises :class:`MasterKeyError`.
    """
    path = config.data_dir / FILE_NAME
    if config.secret_key is None:
        return Keys(_read(path) or _make(path))
    if len(config.secret_key.strip()) < SHORTEST:
        raise MasterKeyError(
            f"BORGUI_SECRET_KEY must have at least {SHORTEST} characters;"
            " blanks around them do not count."
        )
    return Keys((config.secret_key.encode(), *_read(path)))


def _read(path: Path) -> tuple[bytes, ...]:
    """The masters in the file; none when there is no file."""
    try:
        lines = path.read_bytes().split()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise MasterKeyError(f"{path} cannot be read: {error.strerror}.") from error
    if not lines or any(len(line) < SHORTEST for line in lines):
        raise MasterKeyError(f"{path} holds no usable key. Put it back from your own backup.")
    return tuple(lines)


def _make(path: Path) -> tuple[bytes, ...]:
    try:
        durable.make_once(path, secrets.token_hex(32).encode() + b"\n")
    except OSError as error:
        raise MasterKeyError(f"{path} cannot be made: {error.strerror}.") from error
    return _read(path)
