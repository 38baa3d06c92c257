"""The blueprint of ``/api``, and how a call is described for ``openapi.json``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from flask import Blueprint
from pydantic import BaseModel

api = Blueprint("api", __name__, url_prefix="/api")

View = TypeVar("View", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Description:
    """What a caller must know of one call; its words are the view's docstring."""

    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    tag: str = ""
    text: str = ""
    content_type: str = "application/json"
    also: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    """What else it may answer, by status, beside the errors that every call may."""


DESCRIPTIONS: dict[str, Description] = {}
"""By endpoint, without ``api.``. Turned into OpenAPI only when somebody asks for it."""


def describes(
    endpoint: str,
    *,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    answer: type[BaseModel] | None = None,
    status: int = 200,
    tag: str = "",
    content_type: str = "application/json",
    also: Mapping[int, type[BaseModel]] | None = None,
) -> Callable[[View], View]:
    """Note what the view of ``endpoint`` takes and answers."""

    def note(view: View) -> View:
        text = " ".join((view.__doc__ or "").split())
        DESCRIPTIONS[endpoint] = Description(
            body, query, answer, status, tag, text, content_type, also or {}
        )
        return view

    return note
