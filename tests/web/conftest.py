"""The application on a database of its own, and people of each role."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import event

from borgui import create_app, extensions
from borgui.config import Config
from borgui.models import Base, Session
from borgui.models.session import configure, engine
from borgui.security import keys, tokens
from borgui.security.access import SAFE_METHODS
from borgui.security.sealing import Sealer
from tests.valkey_server import RedisServer
from tests.web.world import Someone, add_repository, add_user


@dataclass(frozen=True)
class Made:
    """An application with what an empty one has in its data folder."""

    app: Flask
    config: Config
    database: bytes


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory, _server: RedisServer) -> Made:
    """Made once: that takes longer than most tests."""
    config = Config(data_dir=tmp_path_factory.mktemp("web") / "data", redis_url=_server.url)
    app = create_app(config)
    Base.metadata.create_all(engine())
    engine().dispose()  # with the last connection the file is whole
    return Made(app, config, (config.data_dir / "borgui.db").read_bytes())


@pytest.fixture
def config(_made: Made, redis_server: RedisServer) -> Config:
    """The settings of the application, with an empty database and data folder."""
    folder = _made.config.data_dir
    for path in folder.iterdir():
        if path.name != keys.FILE_NAME:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _made.config.make_folders()
    (folder / "borgui.db").write_bytes(_made.database)
    return _made.config


@pytest.fixture
def app(config: Config, _made: Made) -> Iterator[Flask]:
    """The application with an empty database."""
    own = configure(config.sqlalchemy_url, Sealer(keys.load(config)))
    yield _made.app
    Session.remove()
    own.dispose()


@pytest.fixture(autouse=True)
def _turn_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited for a turn with the database's write lock would keep it from the one before,
    who needs it to end."""
    take_turn = extensions._take_turn

    def checked() -> None:
        is_writing = request.method not in SAFE_METHODS and Session().in_transaction()
        assert not is_writing, f"{request.endpoint} asks the database before queue_redis()"
        take_turn()

    monkeypatch.setattr(extensions, "_take_turn", checked)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser nobody has signed in with."""
    return app.test_client()


@pytest.fixture
def someone(app: Flask) -> Callable[[str], Someone]:
    """Makes a person of a role."""

    def make(role: str) -> Someone:
        number = add_user(role, role)
        _, token = tokens.issue(Session(), number, "test", None)
        Session.commit()
        Session.remove()
        return Someone(number, role, app, token)

    return make


@pytest.fixture
def admin(someone: Callable[[str], Someone]) -> Someone:
    return someone("admin")


@pytest.fixture
def operator(someone: Callable[[str], Someone]) -> Someone:
    return someone("operator")


@pytest.fixture
def viewer(someone: Callable[[str], Someone]) -> Someone:
    return someone("viewer")


@pytest.fixture
def repository(app: Flask) -> int:
    """A repository that is ready; its id."""
    return add_repository("photos")


@pytest.fixture
def statements(app: Flask) -> list[str]:
    """What the database is asked from here on."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        found.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    return found
