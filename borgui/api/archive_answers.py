"""What the API answers on the contents of archives, as models. Sizes in bytes, unknown is null."""

from typing import Literal

from pydantic import RootModel

from borgui.api.answers import Answer, ListOf

EntryType = Literal[
    "file",
    "folder",
    "symlink",
    "hard_link",
    "fifo",
    "block_device",
    "character_device",
    "socket",
    "other",
]

ContentChangeName = Literal["added", "removed", "content", "link", "mode", "owner", "other"]


class EntryAnswer(Answer):
    """One entry. ``path`` is printable, ``path_b64`` exact (base64 of its bytes).

    Of a folder ``size`` and ``files`` count everything below it. Of a hard link ``size`` is null:
    ``link_target`` is the name that has it. ``mode``, ``user``, ``group`` and ``mtime`` are null
    for a folder above a source. ``is_odd``: the path is not UTF-8. ``is_broken``: borg lost parts
    of the content and gives zeros for them.
    """

    name: str
    path: str
    path_b64: str
    type: EntryType
    size: int | None
    files: int | None
    mode: str | None
    user: str | None
    group: str | None
    uid: int | None
    gid: int | None
    mtime: str | None
    link_target: str | None
    is_odd: bool
    is_broken: bool


class EntriesAnswer(ListOf[EntryAnswer]):
    """One page of a folder, folders first; ``folder`` is itself, null for the archive's root."""

    archive_id: int
    path: str
    path_b64: str
    folder: EntryAnswer | None
    folders: int


class ArchiveName(Answer):
    """An archive, in short."""

    id: int
    name: str
    start: str


class VersionAnswer(Answer):
    """A path as ``archives`` archives have it; ``first`` and ``last`` of these by time. Between
    them there may be another version. ``entry``: as ``last`` has it."""

    entry: EntryAnswer
    first: ArchiveName
    last: ArchiveName
    archives: int


class VersionsAnswer(ListOf[VersionAnswer]):
    """The versions of a path in a repository, by their ``last`` archive: the newest stands last.

    ``indexed`` archives were looked into; ``missing`` ones have no index yet.
    """

    repository_id: int
    path: str
    path_b64: str
    indexed: int
    missing: int


class FoundAnswer(Answer):
    """A path that matches, with its versions in the archives searched, the newest last."""

    repository_id: int
    repository_name: str
    name: str
    path: str
    path_b64: str
    versions: list[VersionAnswer]


class SearchAnswer(Answer):
    """One page of matches. Their ``total`` is not counted: null.

    ``is_complete``: false where not everything was seen, and one should ask more narrowly.
    ``indexed`` archives were searched; ``missing`` ones have no index yet.
    """

    items: list[FoundAnswer]
    total: None
    page: int
    per_page: int
    has_more: bool
    is_complete: bool
    indexed: int
    missing: int


class CountsAnswer(Answer):
    """Files (everything but folders) that differ, and their bytes."""

    added: int
    removed: int
    modified: int
    added_size: int
    removed_size: int


class ChangeAnswer(Answer):
    """One entry that differs; ``counts`` of a folder with all below."""

    status: Literal["added", "removed", "modified"]
    path: str
    path_b64: str
    type: EntryType
    before: EntryAnswer | None
    after: EntryAnswer | None
    counts: CountsAnswer


class DiffAnswer(Answer):
    """One page of what differs, from ``before`` to ``after``. ``total`` is not counted: null.

    ``counts``: of the whole folder; of the page with ``flat``. ``is_complete``: false where time
    ran out.
    """

    before: ArchiveName
    after: ArchiveName
    path: str
    path_b64: str
    items: list[ChangeAnswer]
    total: None
    page: int
    per_page: int
    has_more: bool
    is_complete: bool
    counts: CountsAnswer


class ContentChange(Answer):
    """One entry that borg says differs, in one way or several.

    ``added_size`` and ``removed_size``: bytes in blocks that only the second and only the first
    archive's file has; null where borg did not count them. ``is_odd``: the path is not UTF-8.
    ``is_exact``: false where a ``?`` in the path may stand for a byte that is no UTF-8, which borg
    1.4 does not show.
    """

    path: str
    path_b64: str
    type: EntryType | None
    changes: list[ContentChangeName]
    added_size: int | None
    removed_size: int | None
    mode_before: str | None
    mode_after: str | None
    owner_before: str | None
    owner_after: str | None
    is_odd: bool
    is_exact: bool


class ContentCounts(Answer):
    """Entries by the way they differ; one may count in several. ``content``: what files hold;
    ``link``: where symbolic links lead."""

    added: int
    removed: int
    content: int
    link: int
    mode: int
    owner: int
    other: int


class ContentDiffAnswer(ListOf[ContentChange]):
    """One page of what borg found, by path: the newest result of the job ``job_id``.

    ``counts``: of the folder asked for and all below, without the filter ``change``;
    ``times_only``: entries of the whole result that differ in their times alone, which are not
    among the items. ``paths`` are what the result is limited to, empty for all.
    """

    before: ArchiveName
    after: ArchiveName
    path: str
    path_b64: str
    counts: ContentCounts
    times_only: int
    job_id: int
    compared_at: str
    expires_at: str
    paths: list[str]
    paths_b64: list[str]


class DiffAnswers(RootModel[DiffAnswer | ContentDiffAnswer]):
    """What the indexes tell; with ``contents``, what borg found."""


class IndexStarted(Answer):
    """The job that makes the index; ``job_id`` is null where it is there already."""

    job_id: int | None
    status: str
