"""What a job kind is: all that the rest of the product needs to know of it, in one object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy.orm import Session

from borgui.config import Config
from borgui.jobs.job import Job, Priority
from borgui.models import Repository, Settings
from borgui.security.keys import Keys
from borgui.security.permissions import Permission

Access = Literal["shared", "exclusive"]
"""As borg's own locks: readers of a repository share its lane, a writer has it alone."""

Outcome = Mapping[str, Any]
"""A worker's last word on a job; its fields are described in :mod:`borgui.runner.outcome`."""

Step = dict[str, Any]
"""One run of a program as plain JSON, see :class:`borgui.runner.spec.Step`."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a kind may use to write its steps."""

    session: Session
    config: Config
    settings: Settings
    keys: Keys
    hostnames: Mapping[str, str] = field(default_factory=dict)
    """Machine → what borg fills in for ``{hostname}`` there, of those that say so."""


def _nothing(_session: Session, _job: Any, _outcome: Outcome) -> None:
    """The end of a kind that changes no other row."""


def _as_it_is(_job: Any) -> None:
    """The start of a kind that changes no other row."""


def _accept(_config: Config, _repository: Repository | None, _options: dict[str, Any]) -> None:
    """The check of a kind whose body says all there is to check."""


def _no_fields(_job: Any) -> dict[str, Any]:
    return {}


def _silent(_job: Any) -> str | None:
    return None


def _unlimited(_settings: Settings) -> int:
    return 0


def _never(_job: Any) -> bool:
    return False


def one_at_a_time(_settings: Settings) -> int:
    """The ``limit`` of a kind that is much work and seldom urgent."""
    return 1


@dataclass(frozen=True, slots=True)
class Route:
    """A call of the JSON API that belongs to one kind; :mod:`borgui.api.kinds` serves it.

    ``rule`` is below ``/api``. It may hold ``<int:repo_id>`` (else a start takes
    ``repository_id`` in its body) and, for one job, ``<int:job_id>``.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    rule: str
    does: Literal["start", "show", "list", "log"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A job kind. Its room is ``jobs/{name}.py``; :data:`borgui.jobs.KINDS` lists them all."""

    name: str
    """As in ``jobs.kind`` and the API."""
    label: str
    """As people read it: ``Backup``."""
    after_failure: str = ""
    """What people need to know of their data when it failed, where that can be said."""
    row: type[Job] = Job
    """The class of its rows: its own, where its table has columns beyond those of every job."""
    access: Access
    permission: Permission
    """Who may start, cancel and repeat it."""
    steps: Callable[[Context, Any], list[Step]]
    """What the worker is to run for this row; raises :class:`Refused` to fail the job at once."""
    priority: Priority = Priority.DEFAULT
    """Of a start that names none."""
    check: Callable[[Config, Repository | None, dict[str, Any]], None] = _accept
    """What must hold of a start's options beyond its ``body``; raises errors.Invalid."""
    begin: Callable[[Any], None] = _as_it_is
    """What a new row of this kind means for its repository, in the transaction that makes it."""
    settle: Callable[[Session, Any, Outcome], None] = _nothing
    """What a worker's outcome means for other rows, in the transaction that ends the job.

    Called for every outcome, completed or not. It may raise :class:`Refused` to fail a job whose
    work was done but cannot stand (a repository that is here already under another name).
    """
    fields: Callable[[Any], dict[str, Any]] = _no_fields
    """The kind's own part of the API's answer."""
    details: Callable[[Any], dict[str, Any]] = _no_fields
    """More of it, for the answer on one job alone: what would make a list long."""
    naming: tuple[str, ...] = ()
    """Those of its ``fields`` and ``details`` that name files: None for who may not browse."""
    progress: tuple[str, ...] = ()
    """Columns of its own table that the live hash carries under the same name."""
    last_word: Callable[[Any], str | None] = _silent
    """A sentence on how it ended, for a job that did not fail: its ``progress_message`` then."""
    stop_word: str = "Cancel"
    """What the button says that ends it."""
    takes_slot: bool = True
    """Whether it counts among the jobs that a machine runs at once. One that does not runs in a
    process of its own, and nothing waits for it but a writer of its lane. A writer that waits has
    it ended (:func:`borgui.jobs.mounts.give_way`), and no other begins before that writer."""
    is_patient: Callable[[Any], bool] = _never
    """Whether this job, though it writes, waits until those that take no slot have ended by
    themselves; nobody waits behind it then."""
    time_limit: Callable[[Settings], int] = _unlimited
    """Seconds; 0 is none."""
    limit: Callable[[Settings], int] = _unlimited
    """How many may run at once on a machine; 0 is no limit beyond the machine's own."""
    routes: tuple[Route, ...] = ()
    """Its own calls in the JSON API, beside those that serve every kind."""
    body: type[Any] | None = None
    """A pydantic model of what a start takes beside ``priority``; stored as ``Job.options``."""
    alters: tuple[str, ...] = ()
    """Those of its steps that change which archives there are. Where one may have done so and the
    job did not complete, the archives are listed anew (:func:`borgui.jobs.refresh.list_anew`)."""
    needs_ready: bool = True
    """Whether the repository must be ``ready`` when it is started."""
    opens: bool = False
    """Whether it makes its repository ready: refused where that has been done."""
    needs_idle: bool = False
    """Whether it is refused, and does not wait, while another job of its repository is active."""

    def new(self, **values: Any) -> Job:
        """A row of this kind, in no session yet."""
        return self.row(kind=self.name, **values)


class Refused(Exception):
    """A job that cannot be done, with the code and the sentence its row will carry."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
