"""``POST /api/auth/login``: a token for a name and a password."""

from typing import Annotated, Any

from flask import request
from pydantic import Field

from borgui.api.answers import SignedIn
from borgui.api.blueprint import api, describes
from borgui.api.incoming import read_body
from borgui.errors import NotSignedIn
from borgui.extensions import live_redis
from borgui.jobs.view import iso
from borgui.models import Session, now
from borgui.security import tokens
from borgui.security.sign_in import check_credentials
from borgui.validation import Input, Text


class Credentials(Input):
    """Who signs in."""

    username: Annotated[Text, Field(max_length=150)]
    password: Annotated[Text, Field(max_length=1024)]


@api.post("/auth/login")
@describes("login", body=Credentials, answer=SignedIn, tag="auth")
def login() -> dict[str, Any]:
    """A token that opens the API for 30 days. 401 when name or password is wrong."""
    given = read_body(Credentials)
    user = check_credentials(
        Session(), live_redis(), request.remote_addr, given.username, given.password
    )
    if user is None:
        raise NotSignedIn("wrong_credentials", "The username or the password is wrong.")
    expires_at = now() + tokens.LOGIN_LIFETIME
    tokens.forget_expired(Session(), user.id)
    _, token = tokens.issue(Session(), user.id, tokens.LOGIN_NAME, expires_at)
    Session.commit()
    return {"token": token, "expires_at": iso(expires_at)}
