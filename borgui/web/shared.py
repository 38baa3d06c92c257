"""Partials that many ask for in the same moment, made once for all of them.

Twenty browsers that follow the same list cost little more than one: the processor is borg's.
"""

import secrets
import time
from itertools import count

from flask_wtf.csrf import generate_csrf
from sqlalchemy import event
from sqlalchemy.orm import Session as OrmSession

from borgui.models import Session

SECONDS = 1.0
"""How old a partial may be that is answered."""

TOKEN = secrets.token_hex(16)
"""Stands in a shared partial where each asker's own token belongs; nothing else can hold it."""

_commits = count(1)
_last = 0


@event.listens_for(Session, "after_commit")
def _changed(_session: OrmSession) -> None:
    """Who has just cancelled a job must not be shown that it runs."""
    global _last  # noqa: PLW0603 - one number of this process
    _last = next(_commits)


def moment() -> tuple[int, int]:
    """Part of the key of what is shared: another one each second, and after each commit of ours."""
    return int(time.monotonic() / SECONDS), _last


def own(html: str) -> str:
    """A shared partial with the asker's own CSRF token in its forms."""
    return html.replace(TOKEN, generate_csrf()) if TOKEN in html else html
