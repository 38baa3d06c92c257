"""What the end of a job means for its repository: ready or not, and as whose lane."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui.borg import output
from borgui.jobs.archives import replace_archives
from borgui.jobs.job import Job, Status
from borgui.jobs.kind import Outcome, Refused
from borgui.jobs.outcomes import described, listed
from borgui.models import Repository


def mark_pending(job: Job) -> None:
    """The repository waits for this job to open it."""
    if job.repository is not None:
        job.repository.status = "pending"
        job.repository.error_message = None


def settle_opening(session: Session, job: Job, outcome: Outcome) -> None:
    """The end of an init or import: the repository is ready, or says why it is not.

    Raises :class:`Refused` when borg's repository id is here already under another name: two
    names for one repository would have two lanes, and would meet in borg's lock.
    """
    repository = job.repository
    if repository is None:
        return
    found = listed(outcome)
    if outcome.get("status") != Status.COMPLETED or found is None:
        if repository.status == "ready":
            return  # another job, which waited with this one, has opened it
        repository.status = "error"
        repository.error_message = outcome.get("error_message") or "It was cancelled."
        return
    twin = session.scalar(
        select(Repository).where(
            Repository.borg_id == found.repository.borg_id, Repository.id != repository.id
        )
    )
    if twin is not None:
        raise Refused("repository_known", here_already(twin.name))
    _open(repository, found.repository)
    take_archives(session, repository, outcome)


def here_already(name: str) -> str:
    """Why a repository is not opened a second time, as a sentence."""
    return f"This repository is here already, under the name {name}."


def _open(repository: Repository, seen: output.Repository) -> None:
    repository.status = "ready"
    repository.error_message = None
    repository.borg_id = seen.borg_id
    repository.lane = f"id:{seen.borg_id}"
    repository.encryption = seen.encryption
    repository.key = None
    note_place(repository)
    if seen.encryption != "none":
        repository.accept_unencrypted = False


def require_same(repository: Repository, seen: output.Repository) -> None:
    """Raise :class:`Refused` when the repository borg opened is not the one that was added: two
    disks may take turns at one path, and the archives of one are not to be listed as the other's.
    """
    if repository.borg_id is not None and seen.borg_id != repository.borg_id:
        raise Refused(
            "repository_changed",
            "At this path lies another repository than the one that was added. Nothing that borg "
            "said of it was taken over.",
        )


def note_place(repository: Repository) -> None:
    """Borg has opened it, and so has noted its place in its security folder: letting it accept any
    further move unasked would switch that protection off."""
    repository.accept_relocated = False


def take_archives(session: Session, repository: Repository, outcome: Outcome) -> None:
    """Bring the archive rows in step with the lists in ``outcome``.

    Raises :class:`Refused` when they are of another repository.
    """
    found, sizes = listed(outcome), described(outcome)
    if found is None:
        return
    require_same(repository, found.repository)
    note_place(repository)
    replace_archives(session, repository, found.archives, sizes.archives if sizes else ())
    if sizes and sizes.repository.cache:
        repository.apply_cache_stats(sizes.repository.cache)
