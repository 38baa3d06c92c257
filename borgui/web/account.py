"""A person's own account: sign-in and sign-out, the first set-up, API tokens.

Templates and what they are given:

- ``account/login.html``: ``next`` (path or ""), ``username`` (as typed), ``error`` (sentence or
  None). Fields: ``username``, ``password``, ``next``, ``csrf_token``. Posts to
  ``account.sign_in``.
- ``account/setup.html``: ``code`` and ``username`` (as typed), ``errors`` (field → sentence).
  Fields: ``code``, ``username``, ``password``, ``confirmation``, ``csrf_token``. Posts to
  ``account.set_up``.
- ``account/tokens.html``: ``tokens`` (rows of :class:`borgui.models.Token`, newest first),
  ``new_token`` (the token just made, shown this once, or None), ``errors``, ``name`` (as typed).
  Fields of the form (posts to ``account.create_token``): ``name``, ``expires_days`` ("" = never),
  ``csrf_token``. Deleting posts to ``account.delete_token`` with ``token_id`` in the URL.

Errors answer 422 (429 when tried too often) with the form as it was typed.
"""

import re
from datetime import timedelta

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user
from sqlalchemy import select
from werkzeug.wrappers import Response

from borgui.errors import NotFound, TooMany
from borgui.extensions import live_redis, throttle
from borgui.models import Session, Token, User, now
from borgui.security import passwords, people, setup_code, sign_ins, tokens
from borgui.security.access import safe_next, sign_in_session
from borgui.security.permissions import Role
from borgui.security.sign_in import check_credentials

account = Blueprint("account", __name__)

Answer = str | Response | tuple[str, int] | tuple[str, int, dict[str, str]]


@account.route("/login", methods=["GET", "POST"])
def sign_in() -> Answer:
    """The sign-in form; a right password leads to ``next`` or the dashboard."""
    target = safe_next(request.values.get("next"))
    if request.method == "GET":
        if current_user.is_authenticated:
            return redirect(_inside(target), 303)
        if not setup_code.has_users(Session()):
            return redirect(url_for("account.set_up"), 303)
        return render_template("account/login.html", next=target or "", username="", error=None)
    username = request.form.get("username", "")
    try:
        user = check_credentials(
            Session(), live_redis(), request.remote_addr, username, request.form.get("password", "")
        )
    except TooMany as error:
        retry = {"Retry-After": str(error.retry_after)}
        return _login_form(target, username, error.message), 429, retry
    if user is None:
        return _login_form(target, username, "The username or the password is wrong."), 422
    _begin_session(user)
    return redirect(_inside(target), 303)


@account.post("/logout")
def sign_out() -> Answer:
    """End this session, here and for whoever has a copy of its cookie."""
    key = people.sign_in_key(session)
    logout_user()
    sign_in_session()  # first: the browser forgets it even if the database cannot be written
    sign_ins.end(Session(), key)
    Session.commit()
    return redirect(url_for("account.sign_in"), 303)


@account.route("/setup", methods=["GET", "POST"])
def set_up() -> Answer:
    """Make the first admin with the code printed at start; gone as soon as there is one."""
    if setup_code.has_users(Session()):
        Session.rollback()
        return redirect(url_for("account.sign_in"), 303)
    if request.method == "GET":
        return _set_up_form("", "admin", {})
    code = request.form.get("code", "").strip()
    username = request.form.get("username", "").strip()
    errors = _set_up_errors(username)
    if not errors:
        address = request.remote_addr or ""
        try:
            throttle.attempt(live_redis(), address, "set-up code")
        except TooMany as error:
            page = _set_up_form(code, username, {"code": error.message})
            return page, 429, {"Retry-After": str(error.retry_after)}
        password = request.form.get("password", "")
        user = setup_code.claim(Session(), code, username, password)
        if user is not None:
            _begin_session(user)
            return redirect(_inside(None), 303)
        errors["code"] = "This is not the code that was printed at the last start of borgui."
    return _set_up_form(code, username, errors), 422


@account.get("/account/tokens")
def token_list() -> Answer:
    """The person's API tokens."""
    return _tokens_page()


@account.post("/account/tokens")
def create_token() -> Answer:
    """Make a token and show it, this once."""
    name = request.form.get("name", "").strip()
    days = request.form.get("expires_days", "").strip()
    errors = {}
    if not 1 <= len(name) <= 150 or not name.isprintable():
        errors["name"] = "Give it a name of at most 150 characters, to tell it from others."
    if days and not (re.fullmatch("[0-9]{1,4}", days) and 1 <= int(days) <= 3650):
        errors["expires_days"] = "Give a whole number of days from 1 to 3650, or leave it empty."
    if errors:
        return _tokens_page(name=name, errors=errors), 422
    expires = now() + timedelta(days=int(days)) if days else None
    _, token = tokens.issue(Session(), current_user.id, name, expires)
    Session.commit()
    return _tokens_page(new_token=token)


@account.post("/account/tokens/<int:token_id>/delete")
def delete_token(token_id: int) -> Answer:
    """Make a token worthless."""
    row = Session.scalar(
        select(Token).where(Token.id == token_id, Token.user_id == current_user.id)
    )
    if row is None:
        raise NotFound("token_not_found", "You have no such token.")
    Session.delete(row)
    Session.commit()
    return redirect(url_for("account.token_list"), 303)


def username_objection(username: str) -> str | None:
    """Why this cannot be a username, as a sentence; None when it can."""
    if not 1 <= len(username) <= 150 or not username.isprintable():
        return "Use 1 to 150 printable characters."
    return None


def _begin_session(user: User) -> None:
    """Sign this person in, instead of whoever was. Commits."""
    sign_ins.end(Session(), people.sign_in_key(session))
    key = sign_ins.begin(Session(), user.id)
    Session.commit()
    sign_in_session()
    login_user(people.Person(user.id, user.username, Role(user.role), sign_in=key))


def _set_up_errors(username: str) -> dict[str, str]:
    errors = {}
    password = request.form.get("password", "")
    if objection := username_objection(username):
        errors["username"] = objection
    if objection := passwords.objection(password):
        errors["password"] = objection
    if request.form.get("confirmation", "") != password:
        errors["confirmation"] = "The two passwords differ."
    return errors


def _set_up_form(code: str, username: str, errors: dict[str, str]) -> str:
    return render_template("account/setup.html", code=code, username=username, errors=errors)


def _login_form(target: str | None, username: str, error: str) -> str:
    return render_template("account/login.html", next=target or "", username=username, error=error)


def _tokens_page(
    *, new_token: str | None = None, name: str = "", errors: dict[str, str] | None = None
) -> str:
    return render_template(
        "account/tokens.html",
        tokens=tokens.of_user(Session(), current_user.id),
        new_token=new_token,
        name=name,
        errors=errors or {},
    )


def _inside(target: str | None) -> str:
    """The address of a path on this site, behind the prefix it may have."""
    return request.script_root.rstrip("/") + (target or "/")
