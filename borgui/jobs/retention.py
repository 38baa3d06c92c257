"""How much history is kept: the last jobs of each repository and kind, and what must not go."""

import re
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from borgui import index
from borgui.jobs.job import ENDED, Job, Status
from borgui.models import Repository


def forget_everywhere(session: Session, logs: Path, keep: int) -> int:
    """:func:`forget_old` for every repository and kind: jobs that ended before a machine had them
    are counted only here. Commits."""
    counted = (
        select(Job.repository_id, Job.kind)
        .group_by(Job.repository_id, Job.kind)
        .having(func.count(Job.id) > keep)
    )
    full = session.execute(counted).all()
    session.rollback()
    return sum(forget_old(session, logs, keep, where, kind) for where, kind in full)


def forget_old(
    session: Session, logs: Path, keep: int, repository_id: int | None, kind: str
) -> int:
    """Remove what is older than the last ``keep`` ended jobs of a repository and a kind.

    The newest success and the newest failure always stay. Commits, then removes the log files;
    returns how many jobs went.
    """
    same = (
        Job.repository_id.is_(None)
        if repository_id is None
        else Job.repository_id == repository_id,
        Job.kind == kind,
        Job.status.in_(ENDED),
        Job.lane_held.is_(False),  # its machine is silent: the row is what holds the lane
    )
    oldest_kept = session.scalar(
        select(Job.id).where(*same).order_by(Job.id.desc()).offset(keep - 1).limit(1)
    )
    if oldest_kept is None:
        return 0
    stay = [
        session.scalar(select(func.max(Job.id)).where(*same, Job.status == status))
        for status in (Status.COMPLETED, Status.FAILED)
    ]
    old = session.scalars(
        select(Job.id).where(*same, Job.id < oldest_kept, Job.id.not_in([i for i in stay if i]))
    ).all()
    for start in range(0, len(old), 500):
        session.execute(delete(Job).where(Job.id.in_(old[start : start + 500])))
    session.commit()
    for job_id in old:
        (logs / f"{job_id}.log").unlink(missing_ok=True)
    return len(old)


def remove_stray_logs(session: Session, logs: Path) -> int:
    """Remove log files whose job is no longer known; returns how many went."""
    # The files first: a job's row is older than its log.
    files = [path for path in logs.glob("*.log") if re.fullmatch(r"[0-9]+", path.stem)]
    known = set(session.scalars(select(Job.id)))
    session.rollback()
    stray = [path for path in files if int(path.stem) not in known]
    for path in stray:
        path.unlink(missing_ok=True)
    return len(stray)


def remove_stray_indexes(session: Session, indexes: Path) -> int:
    """Remove the indexes of repositories that are no longer known; returns how many went."""
    files = [path for path in indexes.glob("*.db") if re.fullmatch(r"[0-9]{1,10}", path.stem)]
    if not files:
        return 0
    known = set(session.scalars(select(Repository.id)))
    session.rollback()
    stray = [path for path in files if int(path.stem) not in known]
    return sum(index.discard_for_good(path) for path in stray)
