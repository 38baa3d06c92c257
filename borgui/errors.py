"""What can be wrong with a request, as types; :mod:`borgui.web.errors` maps each to one answer."""

from collections.abc import Mapping


class DomainError(Exception):
    """Something a person or program asked for cannot be done; ``message`` says what to do."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotFound(DomainError):
    """No such thing, or none this person may know of."""

    status = 404


class Gone(DomainError):
    """It was there, and will not be again."""

    status = 410


class Conflict(DomainError):
    """Clashes with the present state."""

    status = 409


class Invalid(DomainError):
    """A field holds what it may not; ``fields`` says which and why."""

    status = 422

    def __init__(
        self, fields: Mapping[str, str], message: str = "Some fields need another value."
    ) -> None:
        super().__init__("invalid", message)
        self.fields = dict(fields)


class Unavailable(DomainError):
    """The queue or the database cannot be reached just now; nothing was left half done."""

    status = 503


class Malformed(DomainError):
    """A request that cannot be read at all."""

    status = 400


class NotSignedIn(DomainError):
    """Nobody is signed in, or the token opens nothing."""

    status = 401


class Forbidden(DomainError):
    """This person may not do that."""

    status = 403


class NotJson(DomainError):
    """A body of another type than JSON."""

    status = 415


class TooMany(DomainError):
    """Too often or too many at once; ``retry_after`` in seconds."""

    status = 429

    def __init__(self, code: str, message: str, *, retry_after: int) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class TimedOut(DomainError):
    """A worker did not answer in time."""

    status = 504
