"""How a step says that its job cannot go on."""


class FailedError(Exception):
    """The job cannot go on: a code for programs, a sentence for people."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
