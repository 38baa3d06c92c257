"""Passwords: how they are kept (werkzeug's scrypt, about 125 ms) and what a new one must be."""

from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

SHORTEST = 8
LONGEST = 1024
"""Characters. More would only cost time to hash."""


def hash_password(password: str) -> str:
    """What is stored in the row."""
    return generate_password_hash(password)


def verify(password_hash: str | None, password: str) -> bool:
    """Whether ``password`` belongs to the hash.

    ``None`` (no such person) takes as long as a wrong password, so that the time does not tell
    which names exist.
    """
    matches = check_password_hash(password_hash or _nobody(), password[:LONGEST])
    return matches and password_hash is not None and len(password) <= LONGEST


def objection(password: str) -> str | None:
    """Why ``password`` cannot be a new one, as a sentence; None when it can."""
    if len(password) < SHORTEST:
        return f"Use at least {SHORTEST} characters."
    if len(password) > LONGEST:
        return f"Use at most {LONGEST} characters."
    return None


@cache
def _nobody() -> str:
    return generate_password_hash("nobody has this password")
