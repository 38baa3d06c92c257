"""``/api/tokens``: a person's own tokens."""

from datetime import timedelta
from typing import Annotated, Any

from flask import url_for
from flask_login import current_user
from pydantic import Field
from sqlalchemy import select

from borgui.api.answers import ListOf, NewToken, TokenAnswer
from borgui.api.blueprint import api, describes
from borgui.api.incoming import Nothing, Paged, read_body, read_query
from borgui.errors import NotFound
from borgui.jobs.view import iso
from borgui.models import Session, Token, now
from borgui.security import tokens
from borgui.validation import Input, Name


class TokenInput(Input):
    """A token to be made; without ``expires_days`` it does not expire."""

    name: Name
    expires_days: Annotated[int, Field(ge=1, le=3650)] | None = None


@api.get("/tokens")
@describes("tokens_list", query=Paged, answer=ListOf[TokenAnswer], tag="tokens")
def tokens_list() -> dict[str, Any]:
    """Your own tokens, newest first, without themselves."""
    asked = read_query(Paged)
    rows = tokens.of_user(Session(), current_user.id)
    first = (asked.page - 1) * asked.per_page
    return {
        "items": [_fields(row) for row in rows[first : first + asked.per_page]],
        "total": len(rows),
        "page": asked.page,
        "per_page": asked.per_page,
    }


@api.post("/tokens")
@describes("tokens_create", body=TokenInput, answer=NewToken, status=201, tag="tokens")
def tokens_create() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Make a token. Only this answer shows it."""
    given = read_body(TokenInput)
    days = given.expires_days
    expires_at = None if days is None else now() + timedelta(days=days)
    row, token = tokens.issue(Session(), current_user.id, given.name, expires_at)
    Session.commit()
    answer = {**_fields(row), "token": token}
    return answer, 201, {"Location": url_for("api.tokens_show", token_id=row.id)}


@api.get("/tokens/<int:token_id>")
@describes("tokens_show", answer=TokenAnswer, tag="tokens")
def tokens_show(token_id: int) -> dict[str, Any]:
    """One of your tokens, without itself."""
    return _fields(_own(token_id))


@api.delete("/tokens/<int:token_id>")
@describes("tokens_delete", status=204, tag="tokens")
def tokens_delete(token_id: int) -> tuple[str, int]:
    """Make one of your tokens worthless."""
    read_body(Nothing)
    Session.delete(_own(token_id))
    Session.commit()
    return "", 204


def _own(token_id: int) -> Token:
    row = Session.scalar(
        select(Token).where(Token.id == token_id, Token.user_id == current_user.id)
    )
    if row is None:
        raise NotFound("token_not_found", f"You have no token {token_id}.")
    return row


def _fields(row: Token) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "hint": row.hint,
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
        "last_used_at": iso(row.last_used_at),
    }
