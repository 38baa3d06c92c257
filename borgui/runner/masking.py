"""Keeps secrets out of all that is written down."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "********"

SHORT = 6
"""A secret of fewer characters is masked only where it stands alone: all else would be mangled."""


class Mask:
    """Replaces secrets in text, also where JSON or a URL has escaped them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        # The longest first, so that a secret within another leaves no tail of the other behind.
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_pattern, ordered))) if ordered else None
        self.longest = max(map(len, ordered), default=0)

    def __call__(self, text: str) -> str:
        """``text`` without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(secret: str) -> set[str]:
    escaped = json.dumps(secret)[1:-1]
    plain = json.dumps(secret, ensure_ascii=False)[1:-1]
    return {secret, escaped, plain, quote(secret, safe="", errors="surrogateescape")}


def _pattern(form: str) -> str:
    found = re.escape(form)
    return rf"(?<!\w){found}(?!\w)" if len(form) < SHORT else found
