"""Adding, changing and forgetting repositories."""

from collections.abc import Sequence

import redis
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from borgui.borg import encryption
from borgui.config import Config
from borgui.errors import Conflict, Invalid, NotFound
from borgui.jobs import admission, kind_of
from borgui.jobs.job import ACTIVE, Job
from borgui.models import Repository
from borgui.repositories import faults
from borgui.repositories.inputs import PLAIN, RepositoryChange, RepositoryInput, sources_of


def create(
    session: Session,
    queue: redis.Redis,
    config: Config,
    data: RepositoryInput,
    *,
    user_id: int | None = None,
    idempotency_key: str | None = None,
) -> tuple[Repository, Job]:
    """Add a repository and start its init or import. Commits.

    Raises :class:`Invalid` by field, and :class:`Conflict` when name or path is here already.
    """
    made = _made_before(session, idempotency_key)
    if made is not None:
        return made
    repository = _row(session, config, data)
    _refuse_twin(session, repository)
    session.add(repository)
    kind = kind_of("init" if data.mode == "create" else "import")
    try:
        job = admission.start(
            session, queue, kind, repository, user_id=user_id, idempotency_key=idempotency_key
        )
    except IntegrityError as error:
        session.rollback()
        raise Conflict(
            "repository_exists", "A repository of this name or path has just been added."
        ) from error
    return repository, job


def change(session: Session, repository: Repository, data: RepositoryChange) -> Repository:
    """Set the fields that were given. Commits. Raises :class:`Invalid` or :class:`Conflict`."""
    sources = sources_of(data)
    excludes = data.exclude_patterns
    found = faults.in_sources(
        repository.path,
        repository.source_directories if sources is None else sources,
        repository.exclude_patterns if excludes is None else excludes,
    )
    found |= faults.outside_roots(session, sources or ())
    if found:
        raise Invalid(found)
    if data.name is not None and data.name != repository.name:
        _refuse_name(session, data.name)
        repository.name = data.name
    _apply(repository, data, sources)
    for field in ("accept_unencrypted", "accept_relocated"):
        if (value := getattr(data, field)) is not None:
            setattr(repository, field, value)
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise Conflict("name_taken", "Another repository has this name.") from error
    return repository


def forget(session: Session, repository: Repository) -> None:
    """Remove a repository from here; borg's data stays. Commits.

    Raises :class:`Conflict` while a job of it waits or runs.
    """
    active = session.scalar(
        select(Job.id).where(Job.repository_id == repository.id, Job.status.in_(ACTIVE)).limit(1)
    )
    if active is not None:
        raise Conflict(
            "repository_busy", f"Job #{active} still waits or runs here. Cancel it first."
        )
    session.delete(repository)
    session.commit()


def delete_data(
    session: Session,
    queue: redis.Redis,
    repository: Repository,
    *,
    user_id: int | None = None,
    idempotency_key: str | None = None,
) -> Job:
    """Start the job that deletes borg's data, all archives, and then forgets the repository."""
    kind = kind_of("delete_repository")
    return admission.start(
        session, queue, kind, repository, user_id=user_id, idempotency_key=idempotency_key
    )


def load(session: Session, repository_id: int) -> Repository:
    """The repository, or :class:`NotFound`."""
    repository = session.get(Repository, repository_id)
    if repository is None:
        raise NotFound("repository_not_found", f"There is no repository {repository_id}.")
    return repository


def _made_before(session: Session, key: str | None) -> tuple[Repository, Job] | None:
    """What this key made within the last day; a job whose repository is gone does not count."""
    job = admission.made_before(session, key) if key else None
    if job is None:
        return None
    if job.kind not in ("init", "import"):
        raise Conflict("key_used", "This Idempotency-Key has started another job.")
    if job.repository is None:
        raise Conflict("repository_forgotten", "What this key made has been forgotten since.")
    return job.repository, job


def _row(session: Session, config: Config, data: RepositoryInput) -> Repository:
    """The row of a new repository; raises :class:`Invalid` with all that is wrong."""
    path, found = faults.path_of(config, data)
    if data.machine != config.machine:
        found["machine"] = f"There is no such machine. This one is {config.machine}."
    found |= faults.in_secrets(data)
    sources = sources_of(data) or []
    found |= faults.in_sources(path, sources, data.exclude_patterns or [])
    found |= faults.outside_roots(session, sources)
    if found:
        raise Invalid(found)
    place = Repository.place_of(data.machine, path)
    is_new = data.mode == "create"
    repository = Repository(
        name=data.name,
        machine=data.machine,
        path=path,
        place=place,
        lane=place,
        mode=data.mode,
        status="pending",
        encryption=(data.encryption or encryption.MODES[0].name) if is_new else None,
        # who says "none" of a repository to be imported knows that it is not encrypted
        accept_unencrypted=bool(data.accept_unencrypted) or data.encryption == "none",
        accept_relocated=bool(data.accept_relocated),
    )
    _apply(repository, data, sources)
    if is_new and not data.passphrase:
        repository.passphrase = None
    return repository


def _apply(repository: Repository, data: RepositoryChange, sources: Sequence[str] | None) -> None:
    for name in (*PLAIN, "passphrase", "key"):
        value = getattr(data, name)
        if value is not None:
            setattr(repository, name, value)
    if sources is not None:
        repository.source_directories = list(sources)


def _refuse_twin(session: Session, repository: Repository) -> None:
    _refuse_name(session, repository.name)
    taken = select(Repository.name).where(Repository.place == repository.place)
    if (other := session.scalar(taken)) is not None:
        raise Conflict("path_taken", f"This path is here already, as the repository {other}.")


def _refuse_name(session: Session, name: str) -> None:
    if session.scalar(select(Repository.id).where(Repository.name == name)) is not None:
        raise Conflict("name_taken", f"Another repository is named {name}.")
