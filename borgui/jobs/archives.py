"""Archive rows brought in step with what borg says, and the one that counts as the last good."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import ScalarSelect, Select, and_, delete, func, or_, select
from sqlalchemy.orm import Session, aliased

from borgui.borg import output
from borgui.borg.names import CHECKPOINT
from borgui.jobs.job import Job, Status
from borgui.models import Archive, Repository, now


def newest_good() -> ScalarSelect[int]:
    """The id of a repository's newest archive that is whole and holds something: the one of a
    backup that completed, or of which no job is known and which is not known to be empty.

    For statements that have :class:`Repository` in them.
    """
    last, made_by = aliased(Archive), aliased(Job)
    is_good = or_(
        made_by.status == Status.COMPLETED,
        and_(made_by.id.is_(None), func.coalesce(last.nfiles, 1) > 0),
    )
    return (
        select(last.id)
        .outerjoin(made_by, made_by.id == last.job_id)
        .where(last.repository_id == Repository.id, is_good, ~last.name.regexp_match(CHECKPOINT))
        .order_by(last.start.desc())
        .limit(1)
        .scalar_subquery()
    )


@cache
def _last_good() -> Select[Archive]:
    return select(Archive).join(Repository, Archive.id == newest_good())


def last_good(session: Session, repository_id: int) -> Archive | None:
    """The newest archive of a repository that is a good backup."""
    return session.scalar(_last_good().where(Repository.id == repository_id))


def record_archive(
    session: Session,
    repository: Repository,
    archive: output.Archive,
    stats: output.ArchiveStats | None,
    *,
    job_id: int | None = None,
) -> Archive:
    """Insert the archive's row or bring it up to date; what borg did not say stays as it was."""
    known = select(Archive).where(
        Archive.repository_id == repository.id, Archive.borg_id == archive.borg_id
    )
    with session.no_autoflush:  # what else has changed is written once, at the end
        row = session.scalar(known)
    if row is None:
        row = Archive(repository_id=repository.id, borg_id=archive.borg_id)
        session.add(row)
    _describe(row, archive, stats)
    row.job_id = job_id or row.job_id
    return row


def replace_archives(
    session: Session,
    repository: Repository,
    listed: Iterable[output.Archive],
    described: Iterable[output.Archive],
) -> None:
    """Make the rows of ``repository`` exactly the archives borg lists.

    One that was renamed, or got a comment, keeps its row: that is what links name.
    """
    listed = list(listed)
    sizes = {archive.borg_id: archive.stats for archive in described}
    rows = {
        row.borg_id: row
        for row in session.scalars(select(Archive).where(Archive.repository_id == repository.id))
    }
    for kept, archive in list(_renamed(rows.values(), listed)):
        del rows[kept.borg_id]
        kept.borg_id = archive.borg_id
        rows[kept.borg_id] = kept
    seen: set[str] = set()
    for archive in listed:
        seen.add(archive.borg_id)
        row = rows.get(archive.borg_id)
        if row is None:
            row = Archive(repository_id=repository.id, borg_id=archive.borg_id)
            session.add(row)
        _describe(row, archive, sizes.get(archive.borg_id))
    gone = [row.id for borg_id, row in rows.items() if borg_id not in seen]
    for start in range(0, len(gone), 500):
        session.execute(delete(Archive).where(Archive.id.in_(gone[start : start + 500])))
    repository.refreshed_at = now()


def _renamed(
    rows: Iterable[Archive], listed: Sequence[output.Archive]
) -> Iterator[tuple[Archive, output.Archive]]:
    """The rows whose archive has another id now.

    Borg gives it another id with another name or comment; when it was begun stays. With the same
    name and comment it was made anew, and may hold something else.
    """
    there = {archive.borg_id for archive in listed}
    gone: dict[datetime, list[Archive]] = {}
    known = set()
    for row in rows:
        known.add(row.borg_id)
        if row.borg_id not in there:
            gone.setdefault(row.start, []).append(row)
    new: dict[datetime, list[output.Archive]] = {}
    for archive in listed:
        if archive.borg_id not in known:
            new.setdefault(archive.start, []).append(archive)
    for start in gone.keys() & new.keys():
        if len(gone[start]) == len(new[start]) == 1:
            row, archive = gone[start][0], new[start][0]
            is_named_anew = (row.name, row.comment) != (archive.name, archive.comment)
            if is_named_anew and row.hostname in ("", archive.hostname):
                yield row, archive


def _describe(row: Archive, archive: output.Archive, stats: output.ArchiveStats | None) -> None:
    row.name = archive.name
    row.start = archive.start
    row.end = archive.end or row.end
    row.comment = archive.comment
    row.hostname = archive.hostname or row.hostname or ""
    row.username = archive.username or row.username or ""
    if stats is not None:
        row.nfiles = stats.nfiles
        row.original_size = stats.original_size
        row.compressed_size = stats.compressed_size
        row.deduplicated_size = stats.deduplicated_size
