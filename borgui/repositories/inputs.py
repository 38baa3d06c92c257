"""What may be asked of a repository: the fields that create, import or change one."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from borgui.borg import names
from borgui.borg.compression import validate_compression
from borgui.borg.flags import parse_flags
from borgui.borg.patterns import parse_exclude
from borgui.errors import Invalid
from borgui.roots import canonical
from borgui.validation import Input, Line, Name, PathB64, PathText, Text

MOST_PATHS = 1000
LONGEST_PASSPHRASE = 1024


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _passphrase(text: str) -> str:
    if any(letter in text for letter in "\0\r\n"):
        raise ValueError("A passphrase may not hold line breaks: borg would cut it there.")
    return text


def _exclude(text: str) -> str:
    if "\n" in text or "\r" in text:  # pages show and take a pattern a line
        raise ValueError("A pattern may not hold a line break: write ? in its place.")
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


def sources_of(data: RepositoryChange) -> list[str] | None:
    """The source folders given, canonical as text and each once; None when none were given.
    Raises :class:`Invalid`."""
    if data.source_directories is not None and data.source_directories_b64 is not None:
        raise Invalid({"source_directories": "Give these once: as text or as base64."})
    given = data.source_directories
    if given is None:
        given = data.source_directories_b64
    if given is None:
        return None
    return list(dict.fromkeys(canonical(path) for path in given))
