"""Repositories at paths that borg cannot be given: it gets a link of ours that leads there.

Its name follows from the path, since borg remembers where each repository lies. A link is made
anew by each run that needs it, and goes with the last one, so none outlives its repository's time
here; one that a killed run has left goes with the next.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from borgui.borg.location import can_be_given
from borgui.config import Config
from borgui.runner.failure import FailedError


@contextmanager
def reachable(config: Config, env: dict[str, str]) -> Iterator[tuple[dict[str, str], str | None]]:
    """The environment to run borg in, and where its ``BORG_REPO`` leads if that is a link of ours,
    which stands until this is left. Raises FailedError where there can be none."""
    path = env.get("BORG_REPO", "")
    if not path.startswith("/") or can_be_given(path):
        yield env, None
        return
    link = _link_of(config, path)
    lock = _lock(config)
    try:
        _make(link, path)
        yield {**env, "BORG_REPO": os.fspath(link)}, path
    finally:
        _remove_unused(config, lock)
        os.close(lock)


def _link_of(config: Config, path: str) -> Path:
    link = config.links / hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    if not can_be_given(os.fspath(link)) or "{" in os.fspath(link) or "}" in os.fspath(link):
        raise FailedError(
            "data_folder",
            "borg cannot be given this repository's path, and no link to it in borgui's data folder"
            " either, whose own path it cannot take. Move the data folder to a plain path.",
        )
    return link


def _lock(config: Config) -> int:
    """Shared by all who need links. Raises FailedError."""
    try:
        lock = os.open(config.run / "links.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _failed(error) from error
    fcntl.flock(lock, fcntl.LOCK_SH)  # who has it alone is done in a moment
    return lock


def _make(link: Path, path: str) -> None:
    """Put it in its place at once, whole: another run may be using it. Raises FailedError."""
    draft = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
    try:
        link.parent.mkdir(mode=0o700, exist_ok=True)
        draft.symlink_to(path)
        draft.replace(link)
    except OSError as error:
        raise _failed(error) from error


def _failed(error: OSError) -> FailedError:
    return FailedError(
        "data_folder",
        f"The link by which borg reaches this repository could not be made: {error.strerror}.",
    )


def _remove_unused(config: Config, lock: int) -> None:
    """Remove all links, unless another run needs one. ``lock`` is lost by it."""
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for each in config.links.iterdir():
            each.unlink()
