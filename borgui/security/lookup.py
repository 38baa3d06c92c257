"""One SELECT of one row, compiled once: what every request pays to know who asks.

Through the session it took 700 µs, mostly SQLAlchemy's; so, 60. The statement is SQLAlchemy's
own, and its result goes through the columns' types.
"""

from typing import Any

from sqlalchemy import Connection, Engine, Select
from sqlalchemy.exc import DBAPIError


class Lookup:
    """A statement whose parameters are ``bindparam`` names."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        self._made: dict[str, tuple[str, list[str] | None, list[Any]]] = {}

    def first(self, bind: Engine | Connection, **values: object) -> tuple[Any, ...] | None:
        """The first row, read outside of any transaction; None when there is none.

        Raises SQLAlchemy's errors.
        """
        engine = bind.engine
        sql, order, readers = self._compiled(engine)
        parameters = values if order is None else [values[name] for name in order]
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(sql, parameters)
            row = cursor.fetchone()
            cursor.close()
        except engine.dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(
                sql, None, error, engine.dialect.loaded_dbapi.Error, dialect=engine.dialect
            ) from error
        finally:
            connection.close()
        if row is None:
            return None
        return tuple(
            value if read is None else read(value) for value, read in zip(row, readers, strict=True)
        )

    def _compiled(self, engine: Engine) -> tuple[str, list[str] | None, list[Any]]:
        """SQL, the order of its parameters (None: by name), and a reader or None a column."""
        dialect = engine.dialect
        if dialect.name not in self._made:
            compiled = self._statement.compile(dialect=dialect)
            order = list(compiled.positiontup or ()) if compiled.positional else None
            readers = [
                column.type.dialect_impl(dialect).result_processor(dialect, None)
                for column in self._statement.selected_columns
            ]
            self._made[dialect.name] = (compiled.string, order, readers)
        return self._made[dialect.name]
