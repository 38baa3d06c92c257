"""Files that jobs prepare in a folder of the data folder, ``{job}.part`` until they are whole.

The job's row has ``expires_at``; the file goes then, or with the row.
"""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from borgui.jobs.job import ACTIVE, Status
from borgui.models import now


def sweep(session: Session, folder: Path, row: Any, ending: str) -> int:
    """Remove what has expired, what failed jobs left and what belongs to no job.

    ``row``: the kind's own; ``ending``: of the names of whole files. Returns how many files went.
    """
    if not folder.is_dir():
        return 0
    # The files first: a job's row is older than its file.
    files = [path for path in folder.iterdir() if path.is_file() or path.is_symlink()]
    if not files:
        return 0
    known = session.execute(select(row.id, row.status, row.expires_at)).all()
    session.rollback()
    active = {job_id for job_id, status, _ in known if status in ACTIVE}
    moment = now()
    lasting = {
        job_id
        for job_id, status, expires_at in known
        if status == Status.COMPLETED and expires_at is not None and expires_at > moment
    }
    stray = [path for path in files if not _stays(path.name, ending, active, lasting)]
    for path in stray:
        path.unlink(missing_ok=True)
    return len(stray)


def _stays(name: str, ending: str, active: set[int], lasting: set[int]) -> bool:
    found = re.fullmatch(rf"(?P<job>[0-9]{{1,10}})\.(?P<kind>part|{ending})", name)
    if found is None:
        return False
    job_id = int(found["job"])
    return job_id in active or (found["kind"] == ending and job_id in lasting)
