"""The application on a database of its own, and people of each role."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from borgui import create_app
from borgui.config import Config
from borgui.models import Base, Session
from borgui.security import tokens
from tests.web.world import Someone, add_repository, add_user


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The application with an empty database."""
    app = create_app(config)
    engine = Session.get_bind()
    Base.metadata.create_all(engine)
    yield app
    Session.remove()
    engine.dispose()


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
