"""The migrated database is the one the models describe, from empty and from every revision."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect

from borgui.models import schema
from borgui.models.session import _engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return _engine(f"sqlite:///{tmp_path / 'borgui.db'}")


def test_an_empty_database_becomes_what_the_models_say(engine: Engine) -> None:
    assert schema.present_revision(engine) is None
    schema.upgrade(engine)
    assert schema.present_revision(engine) == schema.newest_revision()
    assert schema.differences(engine) == []


def test_a_second_upgrade_has_nothing_to_do(engine: Engine) -> None:
    schema.upgrade(engine)
    assert schema.is_newest(engine)


def test_the_newest_revision_is_alembics_head(engine: Engine) -> None:
    from alembic.script import ScriptDirectory

    heads = ScriptDirectory.from_config(schema.alembic_config(engine)).get_heads()
    assert heads == [schema.newest_revision()]


def test_every_step_can_be_taken_back(engine: Engine) -> None:
    from alembic import command

    schema.upgrade(engine)
    command.downgrade(schema.alembic_config(engine), "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    schema.upgrade(engine)
    assert schema.differences(engine) == []


def test_a_missing_column_is_noticed(engine: Engine) -> None:
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE archives DROP COLUMN comment")
    assert schema.differences(engine) != []
