"""``/api/openapi.json`` and ``/api/docs``: the description of the API, made from the code.

SpecTree writes it, from a stand-in application that has our addresses and what each view says it
takes and answers. So it is imported only when somebody asks, and no request pays for it.
"""

import re
from functools import cache
from typing import Any

from flask import Flask, Response, current_app, jsonify, render_template
from pydantic import BaseModel

from borgui import __version__
from borgui.api.answers import ErrorAnswer
from borgui.api.blueprint import DESCRIPTIONS, Description, api
from borgui.security.access import permission_of

ERRORS = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)


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
    )
    stand_in = Flask("borgui.api.openapi")
    stand_in.url_map.converters.update(app.url_map.converters)
    for rule in app.url_map.iter_rules():
        described = DESCRIPTIONS.get(rule.endpoint.removeprefix("api."))
        if rule.endpoint.startswith("api.") and described is not None:
            methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            view = _stand_in(spec, rule.endpoint, described)
            stand_in.add_url_rule(rule.rule, rule.endpoint, view, methods=methods)
    with stand_in.app_context():
        spec.register(stand_in)
        made: dict[str, Any] = spec.spec
    return made


def _stand_in(spec: Any, endpoint: str, described: Description) -> Any:
    from spectree import Response as Answers

    def view() -> None:
        """Is never called."""

    permission = permission_of(endpoint)
    view.__doc__ = f"{described.text}\n\nPermission: {permission}."
    answers: dict[str, type[BaseModel] | None] = {
        f"HTTP_{described.status}": described.answer,
        **{f"HTTP_{status}": ErrorAnswer for status in ERRORS},
    }
    return spec.validate(
        json=described.body,
        query=described.query,
        resp=Answers(**answers),
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
        if not rule.endpoint.startswith("api.") or described is None:
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
