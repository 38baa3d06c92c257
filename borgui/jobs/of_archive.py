"""Jobs on one archive: how they keep its name, and how their steps find it."""

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from borgui.jobs.job import Job
from borgui.jobs.kind import Refused
from borgui.jobs.steps import repository_of
from borgui.models import Archive


class OfArchive:
    """Columns of a job on an archive. Its row outlives the archive."""

    archive_id: Mapped[int | None] = mapped_column(
        ForeignKey("archives.id", ondelete="SET NULL"), index=True
    )
    archive: Mapped[str] = mapped_column(Text, default="")
    """Its name as it was, so that history stays readable when the archive is deleted; empty until
    it is known which one."""

    def name_archive(self, archive: Archive | None) -> None:
        """Fill the columns; without an archive they stay as they are."""
        if archive is not None:
            self.archive_id, self.archive = archive.id, archive.name


def looked_up(job: Job, option: str = "archive_id") -> Archive | None:
    """The archive that the options name, for a job that is just being made."""
    session = job.repository and object_session(job.repository)
    wanted = job.options.get(option)
    return session.get(Archive, wanted) if session and wanted is not None else None


def archive_of(session: Session, job: Job) -> Archive:
    """The archive that the options name, for a job's steps.

    Raises :class:`Refused` where it, or the repository, is no longer here.
    """
    repository = repository_of(job)
    archive = session.get(Archive, job.options["archive_id"])
    if archive is None or archive.repository_id != repository.id:
        raise Refused("archive_gone", "The archive is no longer there.")
    return archive
