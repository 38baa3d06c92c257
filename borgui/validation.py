"""Input from outside, checked once: pydantic's verdict as sentences by field."""

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from borgui.borg.display import printable_path
from borgui.errors import Invalid

LARGEST_ID = 2**31 - 1
"""Of an INTEGER column of PostgreSQL."""

LONGEST_PATH, LONGEST_NAME = 4095, 255
"""Bytes, of Linux."""

Model = TypeVar("Model", bound="Input")


class Input(BaseModel):
    """What is read from outside: unknown fields are refused, and ``"1"`` is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("It may not hold a NUL.")
    return text


def _unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("This is no valid Unicode text.") from error
    return _no_nul(text)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("It may not hold line breaks or control characters.")
    return text


def _path(text: str) -> str:
    """One that Linux could hold."""
    raw = os.fsencode(_no_nul(text))
    if len(raw) > LONGEST_PATH:
        raise ValueError(f"A path may have at most {LONGEST_PATH} bytes.")
    if any(len(part) > LONGEST_NAME for part in raw.split(b"/")):
        raise ValueError(f"A name in a path may have at most {LONGEST_NAME} bytes.")
    return text


def _decoded(text: str) -> str:
    """A path given as base64 of its bytes."""
    try:
        path = os.fsdecode(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError("This is no base64.") from error
    return _path(path)


Text = Annotated[str, AfterValidator(_unicode)]
Line = Annotated[str, AfterValidator(_no_nul), AfterValidator(_printable)]
Name = Annotated[str, Field(min_length=1, max_length=150), AfterValidator(_printable)]
PathText = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_path)]
PathB64 = Annotated[str, Field(min_length=1, max_length=8192), AfterValidator(_decoded)]
"""Base64 in the request, the path (str with surrogateescape) once checked."""
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]


def checked(model: type[Model], values: Mapping[str, Any]) -> Model:
    """``values`` as a ``model``; raises :class:`Invalid` with a sentence for each field."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Invalid(_by_field(error)) from error


def path_fields(name: str, path: str) -> dict[str, str]:
    """A path as the API answers it: printable, and exact."""
    return {name: printable_path(path), f"{name}_b64": to_b64(path)}


def paths_fields(name: str, paths: Sequence[str]) -> dict[str, list[str]]:
    """Several paths, likewise."""
    shown = [printable_path(path) for path in paths]
    return {name: shown, f"{name}_b64": [to_b64(path) for path in paths]}


def to_b64(path: str) -> str:
    """The bytes of a path as base64."""
    return base64.b64encode(os.fsencode(path)).decode()


_SENTENCES = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field.",
    "string_type": "Give text.",
    "string_unicode": "This is no valid Unicode text.",
    "string_too_short": "This may not be empty.",
    "too_short": "Give at least one.",
    "int_type": "Give a whole number.",
    "int_parsing": "Give a whole number.",
    "int_parsing_size": "This number is too large.",
    "bool_type": "Give true or false.",
    "list_type": "Give a list.",
    "model_type": "Give an object.",
}


def _by_field(error: ValidationError) -> dict[str, str]:
    """The first fault of each field; an item of a list counts as its list."""
    fields: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_input=False):
        place = fault["loc"]
        name = str(place[0])[:100] if place else "body"
        fields.setdefault(_encodable(name), _sentence(fault))
    return fields


def _sentence(fault: Any) -> str:
    kind = fault["type"]
    if kind == "value_error":
        return str(fault["ctx"]["error"])
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    message: str = fault["msg"]
    return f"{message.removesuffix('.')}."


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
