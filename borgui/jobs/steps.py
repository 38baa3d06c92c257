"""The parts every kind's steps are made of: one run of borg on a repository, as plain JSON."""

import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from borgui.borg import commands, environment
from borgui.jobs.job import Job
from borgui.jobs.kind import Refused, Step
from borgui.models import Archive, Repository


def repository_of(job: Job) -> Repository:
    """The repository of a job that is to run; :class:`Refused` where it has been forgotten."""
    if job.repository is None:
        raise Refused("repository_forgotten", "Its repository is no longer here.")
    return job.repository


def encode(path: str) -> str:
    """A path or argument as base64 of its bytes: JSON has no word for bytes."""
    return b64encode(os.fsencode(path)).decode()


def borg_step(
    name: str,
    repository: Repository,
    argv: list[str],
    *,
    parameters: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    unanswered: bool = False,
    may_fail: bool = False,
) -> Step:
    """One call of borg on ``repository``, with the answers its owner has given to borg's questions
    (not if ``unanswered``: borg then ends where it has one).

    ``name`` says what its run is, see :mod:`borgui.runner.acts`. If it ``may_fail``, the job goes
    on then, with a warning.
    """
    answers: dict[str, str] = {} if unanswered else _answers(repository)
    answers |= {"BORG_REPO": repository.path, **(env or {})}
    return {
        "name": name,
        "program": "borg",
        "argv": [encode(argument) for argument in argv],
        "env": {key: encode(value) for key, value in answers.items()},
        "passphrases": passphrases(repository),
        "cwd": None,
        "stdin": None if stdin is None else encode(stdin),
        "parameters": dict(parameters or {}),
        "may_fail": may_fail,
    }


def _answers(repository: Repository) -> dict[str, str]:
    answers: dict[str, str] = {}
    if repository.accept_unencrypted or repository.encryption == "none":
        answers |= environment.ACCEPT_UNENCRYPTED
    if repository.accept_relocated:
        answers |= environment.ACCEPT_RELOCATED
    return answers


def list_step(repository: Repository, *, unanswered: bool = False) -> Step:
    """All archives by name and time; what is gone is dropped from the index too. Its answer stands
    under ``list``, see :mod:`borgui.runner.carrying`."""
    return borg_step(
        "list_archives",
        repository,
        commands.list_archives(),
        parameters={"repository_id": repository.id},
        unanswered=unanswered,
    )


def verify_step(repository: Repository, archives: Iterable[Archive] = ()) -> Step:
    """Comes before what takes archives by their names: see :mod:`borgui.runner.verifying`."""
    return borg_step(
        "verify",
        repository,
        commands.list_archives(),
        parameters={
            "repository": repository.borg_id,
            "archives": {archive.name: archive.borg_id for archive in archives},
        },
    )


def passphrases(repository: Repository) -> list[str]:
    """What opens it: normally one; two while a change of the passphrase is unconfirmed."""
    candidates = (repository.passphrase, repository.passphrase_next)
    return [text for text in candidates if text is not None]
