"""Adding, changing and forgetting repositories: what may be asked, and what it means."""

import os.path
import posixpath
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import redis
from pydantic import AfterValidator, BeforeValidator, Field
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from borgui.borg import encryption, names
from borgui.borg.compression import validate_compression
from borgui.borg.display import printable_path
from borgui.borg.flags import parse_flags
from borgui.borg.location import LocationError, parse_location
from borgui.borg.patterns import Decision, Matcher, parse_exclude
from borgui.config import Config
from borgui.errors import Conflict, Invalid, NotFound
from borgui.jobs import admission, kind_of
from borgui.jobs.job import ACTIVE, Job
from borgui.jobs.view import iso, seen_reason
from borgui.models import Repository, read_settings
from borgui.roots import canonical, is_inside, named
from borgui.validation import Input, Line, Name, PathB64, PathText, Text, path_fields, to_b64

MOST_PATHS = 1000
LONGEST_PASSPHRASE = 1024


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _passphrase(text: str) -> str:
    if any(letter in text for letter in "\0\r\n"):
        raise ValueError("A passphrase may not hold line breaks: borg would cut it there.")
    return text


def _exclude(text: str) -> str:
    parse_exclude(text)
    return text


def _flags(text: str) -> str:
    parse_flags(text)
    return text


def _file_name(text: str) -> str:
    if "/" in text:
        raise ValueError("This is the name of a file in a folder: it may not hold a slash.")
    return text


Compression = Annotated[str, Field(max_length=64), AfterValidator(validate_compression)]
Template = Annotated[str, Field(max_length=200), AfterValidator(names.validate_template)]
Flags = Annotated[Line, Field(max_length=2000), AfterValidator(_flags)]
Passphrase = Annotated[str, Field(max_length=LONGEST_PASSPHRASE), AfterValidator(_passphrase)]
Exclude = Annotated[Text, Field(max_length=4096), AfterValidator(_exclude)]
FileName = Annotated[Line, Field(min_length=1, max_length=255), AfterValidator(_file_name)]
RepositoryName = Annotated[Name, BeforeValidator(_stripped)]
Paths = Annotated[list[PathText], Field(max_length=MOST_PATHS)]
PathsB64 = Annotated[list[PathB64], Field(max_length=MOST_PATHS)]


class RepositoryChange(Input):
    """What may change while a repository is here; what is not given stays.

    Where a path may hold any byte there are two fields, of which one is given: ``X`` as text and
    ``X_b64`` as base64 of its bytes.
    """

    name: RepositoryName | None = None
    passphrase: Passphrase | None = None
    """The one borg is given from now on; borg's own is not changed by it."""
    key: Annotated[Text, Field(max_length=65536)] | None = None
    """A key file, put in place by the next import."""
    accept_unencrypted: bool | None = None
    accept_relocated: bool | None = None
    source_directories: Paths | None = None
    source_directories_b64: PathsB64 | None = None
    exclude_patterns: Annotated[list[Exclude], Field(max_length=MOST_PATHS)] | None = None
    exclude_if_present: Annotated[list[FileName], Field(max_length=100)] | None = None
    exclude_caches: bool | None = None
    one_file_system: bool | None = None
    compression: Compression | None = None
    extra_flags: Flags | None = None
    archive_name_template: Template | None = None
    include_secret_key: bool | None = None


class RepositoryInput(RepositoryChange):
    """A repository to be created, or to be imported where it lies."""

    name: RepositoryName
    mode: Literal["create", "import"] = "create"
    machine: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "local"
    path: PathText | None = None
    path_b64: PathB64 | None = None
    encryption: str | None = None
    """One of borg's modes; ``repokey-blake2`` where a new one names none. An import reads it."""


PLAIN = (
    "exclude_patterns",
    "exclude_if_present",
    "exclude_caches",
    "one_file_system",
    "compression",
    "extra_flags",
    "archive_name_template",
    "include_secret_key",
)
"""Fields that are columns of the same name and need no check beyond their own."""


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
    sources = _sources(data)
    excludes = data.exclude_patterns
    faults = _source_faults(
        repository.path,
        repository.source_directories if sources is None else sources,
        repository.exclude_patterns if excludes is None else excludes,
    )
    faults |= _root_faults(session, sources or ())
    if faults:
        raise Invalid(faults)
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


NAMING = frozenset({"exclude_patterns", "exclude_if_present", "exclude_caches", "extra_flags"})
"""Fields that name files, or may."""


def fields(repository: Repository, *, browse: bool = True) -> dict[str, Any]:
    """A repository as the API answers it. Never its passphrase or key.

    Without ``browse`` the sources and excludes, which name files, are None.
    """
    sources = repository.source_directories
    return {
        "id": repository.id,
        "name": repository.name,
        "machine": repository.machine,
        **path_fields("path", repository.path),
        "mode": repository.mode,
        "status": repository.status,
        "error_message": seen_reason(repository.error_message, browse=browse),
        "encryption": repository.encryption,
        "borg_id": repository.borg_id,
        "accept_unencrypted": repository.accept_unencrypted,
        "accept_relocated": repository.accept_relocated,
        "source_directories": [path_fields("p", path)["p"] for path in sources] if browse else None,
        "source_directories_b64": [to_b64(path) for path in sources] if browse else None,
        **{
            name: getattr(repository, name) if browse or name not in NAMING else None
            for name in PLAIN
        },
        "total_size": repository.total_size,
        "total_csize": repository.total_csize,
        "unique_size": repository.unique_size,
        "unique_csize": repository.unique_csize,
        "refreshed_at": iso(repository.refreshed_at),
        "created_at": iso(repository.created_at),
    }


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
    path, faults = _path(config, data)
    if data.machine != config.machine:
        faults["machine"] = f"There is no such machine. This one is {config.machine}."
    faults |= _secret_faults(data)
    sources = _sources(data) or []
    faults |= _source_faults(path, sources, data.exclude_patterns or [])
    faults |= _root_faults(session, sources)
    if faults:
        raise Invalid(faults)
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


def _path(config: Config, data: RepositoryInput) -> tuple[str, dict[str, str]]:
    """The repository's path as borg is given it (empty when it cannot be used), and why not."""
    if (data.path is None) == (data.path_b64 is None):
        return "", {"path": "Give the path, once: as path or as path_b64."}
    try:
        location = parse_location(data.path if data.path is not None else data.path_b64 or "")
    except LocationError as error:
        return "", {"path": str(error)}
    if location.is_local and any(_is_below(location.path, each) for each in _own_folders(config)):
        return "", {"path": "This lies in borgui's own data folder. Choose a place outside it."}
    return str(location), {}


def _own_folders(config: Config) -> set[str]:
    return {os.fspath(config.data_dir), os.path.realpath(config.data_dir)}


def _secret_faults(data: RepositoryInput) -> dict[str, str]:
    if data.encryption is not None and data.encryption not in encryption.BY_NAME:
        known = ", ".join(encryption.BY_NAME)
        return {"encryption": f"Borg has no such mode. It has {known}."}
    if data.mode == "import":
        return {}
    faults = {}
    mode = encryption.BY_NAME[data.encryption or encryption.MODES[0].name]
    if mode.needs_passphrase and not data.passphrase:
        faults["passphrase"] = f"The mode {mode.name} needs a passphrase."
    if not mode.needs_passphrase and data.passphrase:
        faults |= {"passphrase": "The mode none has no passphrase. Leave it empty."}
    if data.key is not None:
        faults["key"] = "A key file belongs to an import: a new repository gets its own key."
    return faults


def _sources(data: RepositoryChange) -> list[str] | None:
    """The source folders given, canonical as text and each once; None when none were given."""
    if data.source_directories is not None and data.source_directories_b64 is not None:
        raise Invalid({"source_directories": "Give these once: as text or as base64."})
    given = data.source_directories
    if given is None:
        given = data.source_directories_b64
    if given is None:
        return None
    return list(dict.fromkeys(canonical(path) for path in given))


def _root_faults(session: Session, sources: Sequence[str]) -> dict[str, str]:
    """As they are written; the machine looks again, with links followed."""
    roots = read_settings(session).source_roots
    for source in sources:
        if not is_inside(source, roots):
            name = printable_path(source)
            return {"source_directories": f"{name} lies outside of {named(roots)}."}
    return {}


def _source_faults(
    repository: str, sources: Sequence[str], excludes: Sequence[str]
) -> dict[str, str]:
    checks: tuple[Callable[[str], str | None], ...] = (
        lambda source: None if source.startswith("/") else "must be absolute",
        lambda source: _nested(repository, source, excludes),
    )
    for source in sources:
        for check in checks:
            if fault := check(source):
                name = path_fields("p", source)["p"]
                return {"source_directories": f"{name} {fault}."}
    return {}


def _nested(repository: str, source: str, excludes: Sequence[str]) -> str | None:
    if not repository.startswith("/"):
        return None
    if _is_below(source, repository):
        return "lies in the repository itself"
    if not _is_below(repository, source) or _is_excluded(repository, source, excludes):
        return None
    return (
        "holds the repository, which would be backed up into itself."
        f" Exclude it: pp:{path_fields('p', repository)['p']}"
    )


def _is_excluded(path: str, source: str, excludes: Sequence[str]) -> bool:
    """Whether borg, walking down from ``source``, leaves out ``path`` or a folder above it."""
    # A regular expression may take for ever; the web has no time for that.
    quick = [pattern for pattern in excludes if not pattern.startswith("re:")]
    matcher = Matcher([parse_exclude(pattern) for pattern in quick])
    below = path
    while _is_below(below, source):
        if matcher.decide(below) is Decision.EXCLUDE:
            return True
        if below == source:
            break
        below = posixpath.dirname(below)
    return False


def _is_below(path: str, folder: str) -> bool:
    return is_inside(path, [folder])


def _refuse_twin(session: Session, repository: Repository) -> None:
    _refuse_name(session, repository.name)
    taken = select(Repository.name).where(Repository.place == repository.place)
    if (other := session.scalar(taken)) is not None:
        raise Conflict("path_taken", f"This path is here already, as the repository {other}.")


def _refuse_name(session: Session, name: str) -> None:
    if session.scalar(select(Repository.id).where(Repository.name == name)) is not None:
        raise Conflict("name_taken", f"Another repository is named {name}.")
