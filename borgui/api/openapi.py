"""``/api/openapi.json`` and ``/api/docs``: the description of the API, made from the code.

SpecTree writes it, from a stand-in application that has our addresses and what each view says it
takes and answers. So it is imported only when somebody asks, and no request pays for it.
"""

import re
from functools import cache
from typing import Any

from flask import Flask, Response, current_app, jsonify, render_template
from pydantic import BaseModel, Field

from borgui import __version__
from borgui.api.answers import ErrorAnswer, NewRepository, Started
from borgui.api.archive_answers import IndexStarted
from borgui.api.blueprint import DESCRIPTIONS, Description, api
from borgui.security.access import permission_of

ERRORS = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
"""What any call may answer."""

STARTING = (Started, IndexStarted, NewRepository)
"""Answers of the calls that start a job."""


class Keyed(BaseModel):
    """The header that a call which starts a job may bring."""

    idempotency_key: str | None = Field(
        None,
        alias="Idempotency-Key",
        description="The same key within a day answers the same job.",
    )


@api.get("/openapi.json")
def openapi() -> Response:
    """The description of the API (OpenAPI 3.1)."""
    return jsonify(_description())


@api.get("/docs")
def docs() -> str:
    """The description of the API as a page."""
    return render_template("api/docs.html", description=_description(), calls=calls())


def _description() -> dict[str, Any]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return _made(app)


@cache
def _made(app: Flask) -> dict[str, Any]:
    from spectree import SpecTree
    from spectree.models import SecureType, SecurityScheme, SecuritySchemeData

    spec = SpecTree(
        "flask",
        title="borgui",
        version=__version__,
        mode="strict",
        security_schemes=[
            SecurityScheme(
                name="token", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer")
            )
        ],
        security={"token": []},
        naming_strategy=_name,
    )
    stand_in = Flask("borgui.api.openapi")
    stand_in.url_map.converters.update(app.url_map.converters)
    for rule in app.url_map.iter_rules():
        described = DESCRIPTIONS.get(rule.endpoint.removeprefix("api."))
        if described is not None:
            methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            view = _stand_in(spec, rule.endpoint, described)
            stand_in.add_url_rule(rule.rule, rule.endpoint, view, methods=methods)
    with stand_in.app_context():
        spec.register(stand_in)
        made: dict[str, Any] = spec.spec
    for calls_there in made["paths"].values():
        for call in calls_there.values():
            _complete(call, DESCRIPTIONS[call["operationId"]])
    return made


def _name(model: Any) -> str:
    """OpenAPI allows no brackets in a name, which a list of something has."""
    from spectree.utils import get_model_key

    return re.sub(r"[^A-Za-z0-9._-]+", "_", get_model_key(model))


def _complete(call: dict[str, Any], described: Description) -> None:
    """Say what SpecTree has no word for: a body may be missing, an answer be no JSON."""
    if described.body is not None and not any(
        each.is_required() for each in described.body.model_fields.values()
    ):
        call["requestBody"]["required"] = False
    if described.content_type != "application/json":
        content = {described.content_type: {"schema": {"type": "string"}}}
        call["responses"][str(described.status)]["content"] = content


def _stand_in(spec: Any, endpoint: str, described: Description) -> Any:
    from spectree import Response as Answers

    def view() -> None:
        """Is never called."""

    permission = permission_of(endpoint)
    view.__doc__ = f"{described.text}\n\nPermission: {permission}."
    answers: dict[int, type[BaseModel] | None] = {
        **dict.fromkeys(ERRORS, ErrorAnswer),
        described.status: described.answer,
        **described.also,
    }
    starts = any(answer in STARTING for answer in answers.values())
    return spec.validate(
        json=described.body,
        query=described.query,
        headers=Keyed if starts else None,
        resp=Answers(**{f"HTTP_{status}": answer for status, answer in answers.items()}),
        tags=[described.tag],
        skip_validation=True,
        operation_id=endpoint.removeprefix("api."),
        security={} if permission == "public" else None,
    )(view)


def calls() -> list[dict[str, Any]]:
    """Each call as a line of the page, in the order of their addresses."""
    found = []
    for rule in current_app.url_map.iter_rules():
        described = DESCRIPTIONS.get(rule.endpoint.removeprefix("api."))
        if described is None:
            continue
        found.append(
            {
                "method": min((rule.methods or set()) - {"HEAD", "OPTIONS"}),
                "path": re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule),
                "permission": str(permission_of(rule.endpoint)),
                "described": described,
                "body": _fields(described.body),
                "query": _fields(described.query),
                "answer": _fields(described.answer),
            }
        )
    return sorted(found, key=lambda call: (call["path"], call["method"]))


def _fields(model: type[BaseModel] | None) -> list[tuple[str, str, bool]]:
    """Name, type in words, and whether it must be given, of each field of a model."""
    if model is None:
        return []
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    return [
        (name, _type(shape), name in required)
        for name, shape in schema.get("properties", {}).items()
    ]


def _type(shape: dict[str, Any]) -> str:
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(_type(each) for each in shape["anyOf"]))
    if "enum" in shape:
        return " | ".join(map(str, shape["enum"]))
    if shape.get("type") == "array":
        return f"list of {_type(shape.get('items', {}))}"
    if "$ref" in shape:
        return str(shape["$ref"]).rpartition("/")[2]
    return str(shape.get("type", "any"))
