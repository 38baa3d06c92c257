"""What comes in: a JSON body, a query string, the idempotency key; checked, or refused in words."""

import json
import re
from typing import Annotated, Any, NoReturn

from flask import request
from flask_login import current_user
from pydantic import BeforeValidator, Field

from borgui.errors import Invalid, Malformed, NotJson
from borgui.jobs.history import MOST_PER_PAGE, PER_PAGE
from borgui.validation import Input, Model, checked

LONGEST_KEY = 128
MOST_PAGES = 10**6
_KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")


class Nothing(Input):
    """A body that says nothing: ``{}`` or none at all."""


def _number(text: object) -> object:
    """A query string holds text only."""
    if isinstance(text, str) and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    return text


def _flag(text: object) -> object:
    return {"true": True, "1": True, "false": False, "0": False}.get(str(text).lower(), text)


Number = Annotated[int, BeforeValidator(_number)]
Flag = Annotated[bool, BeforeValidator(_flag)]


class Paged(Input):
    """The page of a list that is asked for."""

    page: Annotated[Number, Field(ge=1, le=MOST_PAGES)] = 1
    per_page: Annotated[Number, Field(ge=1, le=MOST_PER_PAGE)] = PER_PAGE


def read_body(model: type[Model]) -> Model:
    """The body as ``model``. An empty one counts as ``{}``.

    Raises :class:`NotJson`, :class:`Malformed` or :class:`Invalid`.
    """
    # A form's body has been read already, by who looks for a CSRF token in it.
    raw = request.get_data(cache=True)
    if not request.is_json and (raw.strip() or request.form or request.files):
        raise NotJson("not_json", "Send JSON, with Content-Type: application/json.")
    if not raw.strip():
        return checked(model, {})
    try:
        values = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise Malformed("bad_json", "The body is no valid JSON in UTF-8.") from error
    if not isinstance(values, dict):
        raise Invalid({"body": "Give an object."})
    return checked(model, values)


def read_query(model: type[Model]) -> Model:
    """The query string as ``model``; raises :class:`Invalid`."""
    values: dict[str, str] = {}
    for name, given in request.args.lists():
        if len(given) > 1:
            raise Invalid({name[:100]: "Give this once."})
        values[name] = given[0]
    return checked(model, values)


def idempotency_key() -> str | None:
    """The caller's ``Idempotency-Key``, made this person's own; raises :class:`Invalid`."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise Invalid({"Idempotency-Key": f"Use 1 to {LONGEST_KEY} printable ASCII characters."})
    return f"{current_user.id}:{key}"


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two values for one name nobody can say which is meant."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
