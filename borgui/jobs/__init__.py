"""The heart: job kinds, and a job's way from a row to an outcome.

:data:`KINDS` is the one registry. A new kind is a room (a module in this package), a line here, a
migration where it has columns of its own, at most two templates, and tests.
"""

from borgui.jobs.backup import BACKUP
from borgui.jobs.break_lock import BREAK_LOCK
from borgui.jobs.delete_archives import DELETE_ARCHIVES
from borgui.jobs.delete_repository import DELETE_REPOSITORY
from borgui.jobs.diff import DIFF
from borgui.jobs.download import DOWNLOAD
from borgui.jobs.drill import DRILL
from borgui.jobs.import_repository import IMPORT
from borgui.jobs.index import INDEX
from borgui.jobs.init import INIT
from borgui.jobs.kind import Kind
from borgui.jobs.mount import MOUNT
from borgui.jobs.refresh import REFRESH
from borgui.jobs.rename_archive import RENAME_ARCHIVE
from borgui.jobs.restore import RESTORE

KINDS: tuple[Kind, ...] = (
    BACKUP,
    RESTORE,
    DOWNLOAD,
    DIFF,
    DRILL,
    INDEX,
    MOUNT,
    INIT,
    IMPORT,
    REFRESH,
    BREAK_LOCK,
    DELETE_ARCHIVES,
    RENAME_ARCHIVE,
    DELETE_REPOSITORY,
)

_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_of(name: str) -> Kind:
    """The kind of that name; KeyError where none is registered."""
    return _BY_NAME[name]
