"""What the API answers, as models: for ``openapi.json``, and for tests to hold the views to."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

Item = TypeVar("Item")


class Answer(BaseModel):
    """Every field is there in each answer; what is unknown is null."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class ListOf(Answer, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    total: int
    page: int
    per_page: int


class Started(Answer):
    """A job was started; ``Location`` is its address."""

    job_id: int
    status: str


class SignedIn(Answer):
    """A token, shown this once."""

    token: str
    expires_at: str


class TokenAnswer(Answer):
    """An API token, without itself."""

    id: int
    name: str
    hint: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class NewToken(TokenAnswer):
    """The one time the token itself is shown."""

    token: str


class RepositoryAnswer(Answer):
    """A repository. Sizes in bytes; a viewer gets no sources and excludes."""

    id: int
    name: str
    machine: str
    path: str
    path_b64: str
    mode: str
    status: str
    error_message: str | None
    encryption: str | None
    borg_id: str | None
    accept_unencrypted: bool
    accept_relocated: bool
    source_directories: list[str] | None
    source_directories_b64: list[str] | None
    exclude_patterns: list[str] | None
    exclude_if_present: list[str] | None
    exclude_caches: bool | None
    one_file_system: bool
    compression: str
    extra_flags: str | None
    archive_name_template: str
    include_secret_key: bool
    total_size: int | None
    total_csize: int | None
    unique_size: int | None
    unique_csize: int | None
    refreshed_at: str | None
    created_at: str


class NewRepository(RepositoryAnswer):
    """With the job that creates or imports it."""

    job_id: int


class ArchiveAnswer(Answer):
    """An archive as borg described it. Sizes in bytes, null where borg was not asked."""

    id: int
    name: str
    borg_id: str
    repository_id: int
    job_id: int | None
    start: str
    end: str | None
    nfiles: int | None
    original_size: int | None
    compressed_size: int | None
    deduplicated_size: int | None
    comment: str
    hostname: str
    username: str


class JobAnswer(BaseModel):
    """A job; its kind adds fields of its own. Percentages 0-100, null where no total is known."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    id: int
    kind: str
    status: str
    repository_id: int | None
    repository_name: str
    machine: str
    trigger: str
    scheduled_job_id: int | None
    parent_id: int | None
    retry_of: int | None
    priority: str
    progress_percent: float | None
    progress_message: str | None
    current_file: str | None
    wait_reason: str | None
    created_at: str
    not_before: str | None
    started_at: str | None
    completed_at: str | None
    cancel_requested_at: str | None
    lane_held: bool
    """It has ended, but its machine is silent: its repository stays reserved."""
    error_code: str | None
    error_message: str | None
    warning_count: int
    exit_code: int | None
    process_pid: int | None
    process_start_time: str | None


class JobDetail(JobAnswer):
    """One job with its command and warnings (both null for a viewer)."""

    command: str | None
    log_size: int | None
    warnings: list[dict[str, Any]] | None


class FolderEntry(Answer):
    """One thing in a folder."""

    name: str
    name_b64: str
    path_b64: str
    is_folder: bool
    is_link: bool
    is_readable: bool


class FolderAnswer(Answer):
    """A folder; ``error`` says why it cannot be listed, and then it has no entries."""

    path: str
    path_b64: str
    parent_b64: str | None
    entries: list[FolderEntry]
    truncated: bool
    error: str | None


class Health(Answer):
    """How the product is: ``status`` is ``ok`` or ``degraded``."""

    status: str
    database: str
    redis: str
    workers: int | None
    scheduler: str
    version: str
    control: str | None = None


class ErrorBody(Answer):
    """What went wrong; ``fields`` only with 422."""

    code: str
    message: str
    fields: dict[str, str] | None = None


class ErrorAnswer(Answer):
    """Every answer of 400 and over."""

    error: ErrorBody
