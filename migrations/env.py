"""Alembic's environment: run by ``borgui.models.schema``, never by hand."""

from alembic import context
from sqlalchemy import Engine
from sqlalchemy.types import TypeDecorator

import borgui.jobs  # noqa: F401 - every kind's table is known once its room is imported
from borgui.models import Base


def render_item(kind: str, item: object, _context: object) -> str | bool:
    """Write our column types as what SQL knows: a migration must outlive the code."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{type(item.impl_instance).__name__}()"
    return False


def run(engine: Engine) -> None:
    """Migrate with foreign keys off: SQLite's batch mode would delete child rows silently."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            raw = connection.connection.dbapi_connection
            raw.execute("PRAGMA foreign_keys=OFF")
        try:
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                render_as_batch=True,
                compare_type=True,
                render_item=render_item,
            )
            with context.begin_transaction():
                context.run_migrations()
        finally:
            if engine.dialect.name == "sqlite":
                raw.execute("PRAGMA foreign_keys=ON")


run(context.config.attributes["engine"])
