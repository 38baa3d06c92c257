"""borgui: a web UI for BorgBackup."""

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from borgui.config import ROOT, Config

if TYPE_CHECKING:
    from flask import Flask

__version__ = "0.1.0"

MIB = 1024 * 1024
LARGEST_BODY = MIB
"""Bytes of one request. The largest thing sent is a list of paths or a key file."""


def create_app(config: Config | None = None) -> "Flask":
    """The web application: pages, and the JSON API under ``/api``.

    Imports Flask here and not above, since a worker imports this package too and needs none of it.
    Raises :class:`LookupError` when a route states no permission.
    """
    from flask import Flask

    from borgui import api, extensions
    from borgui.models.session import configure
    from borgui.security import access, sign_ins
    from borgui.security import keys as security_keys
    from borgui.security.sealing import Sealer
    from borgui.web import converters, errors, headers, pages, prefix, unread
    from borgui.web.account import account

    config = config or Config.from_env()
    config.make_folders()
    app = Flask("borgui", static_folder=ROOT / "static", template_folder=ROOT / "templates")
    keys = security_keys.load(config)
    session_key = keys.session()
    app.config.update(
        BORGUI=config,
        SECRET_KEY=session_key,
        SESSION_COOKIE_NAME=f"borgui_{hashlib.sha256(session_key).hexdigest()[:8]}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=sign_ins.LIFETIME,
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        TRAP_HTTP_EXCEPTIONS=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.session_interface = prefix.Sessions()
    app.get_send_file_max_age = _static_age  # type: ignore[method-assign,assignment]
    app.ensure_sync = _as_it_is  # type: ignore[method-assign,assignment]
    configure(config.sqlalchemy_url, Sealer(keys))
    converters.init_app(app)
    extensions.init_app(app, config)
    access.init_app(app)
    headers.init_app(app)
    unread.init_app(app)
    errors.init_app(app)
    pages.register(app)
    for blueprint in (account, *api.BLUEPRINTS):
        app.register_blueprint(blueprint)
    access.check_complete(app)
    _behind_proxies(app, config)
    return app


def _behind_proxies(app: "Flask", config: Config) -> None:
    """Believe forwarding headers only as far as we were told to, and know our own prefix.

    Never X-Forwarded-Prefix: most proxies pass on a client's own one, and the setting says it.
    """
    if config.url_prefix:
        from borgui.web.prefix import Prefix

        app.wsgi_app = Prefix(app.wsgi_app, config.url_prefix)  # type: ignore[method-assign]
    if config.trusted_proxies:
        from werkzeug.middleware.proxy_fix import ProxyFix

        count = config.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_port=count
        )


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """No view is async: Flask need not look at each of them, five times a request."""
    return function


def _static_age(name: str | None) -> int | None:
    """A year for files whose path names their version, or whose address their present content;
    others are asked for again each time."""
    from flask import request

    from borgui.web.layout import is_current

    if not name:
        return None
    is_named = re.search(r"-\d+\.\d+", name) or is_current(name, request.args.get("v", ""))
    return 31_536_000 if is_named else None
