"""The database's schema: brought to the newest revision, and compared with the models."""

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, inspect, text

from borgui.config import ROOT

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

FOLDER = ROOT / "migrations"


def newest_revision() -> str:
    """The revision the code needs, read off the file names (``0002_name.py``)."""
    return max(_revisions())


def _revisions() -> set[str]:
    names = [path.name for path in (FOLDER / "versions").glob("[0-9]*_*.py")]
    return {re.split("_", name, maxsplit=1)[0] for name in names}


def present_revision(engine: Engine) -> str | None:
    """The revision the database is at; None for an empty one."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


def is_from_the_future(engine: Engine) -> bool:
    """Whether the database is at a revision that this code does not know."""
    present = present_revision(engine)
    return present is not None and present not in _revisions()


def is_newest(engine: Engine) -> bool:
    """Whether there is nothing to migrate."""
    return present_revision(engine) == newest_revision()


def upgrade(engine: Engine) -> None:
    """Migrate to the newest revision.

    Alembic is imported only here: it costs a fifth of a second, and ten MiB for good.
    """
    from alembic import command

    command.upgrade(alembic_config(engine), "head")


def differences(engine: Engine) -> list[Any]:
    """What the models have and the migrated database has not, or the other way round."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from borgui.models import Base

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def alembic_config(engine: Engine) -> "AlembicConfig":
    """Alembic pointed at our migrations and at ``engine``."""
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["engine"] = engine
    return config
