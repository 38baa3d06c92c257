"""Who may do what: roles, permissions, and one table that names every route's permission."""

from enum import StrEnum


class Role(StrEnum):
    """What a person is here."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Permission(StrEnum):
    """What a route asks for."""

    PUBLIC = "public"
    """Nobody needs to sign in."""
    VIEW = "view"
    """States and figures."""
    BROWSE = "browse"
    """File names, logs and contents."""
    RUN = "run"
    """Start, cancel and repeat jobs."""
    MANAGE = "manage"
    """Everything else."""
    ACCOUNT = "account"
    """What every signed-in person does for themselves."""


_GRANTS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.PUBLIC, Permission.ACCOUNT, Permission.VIEW}),
    Role.OPERATOR: frozenset(
        {
            Permission.PUBLIC,
            Permission.ACCOUNT,
            Permission.VIEW,
            Permission.BROWSE,
            Permission.RUN,
        }
    ),
    Role.ADMIN: frozenset(Permission),
}


def allows(role: str | None, permission: Permission) -> bool:
    """Whether a person of ``role`` (None: nobody signed in) may do what asks for ``permission``."""
    if role is None:
        return permission is Permission.PUBLIC
    return permission in _GRANTS[Role(role)]
