"""Every error of the engine, grouped by what the caller does next.

DativoError
├── RetryableError            try the whole run again, later
│   ├── CommitConflictError   another commit was first: plan again from its stamp
│   ├── ConnectionFailedError a server can't be reached, or hung up
│   └── RunTimeoutError       the run was stopped at its time limit; nothing was committed
├── FatalError                a person must change something first
│   ├── AuthenticationError   a server refused the credentials
│   ├── LeaseHeldError        another run of the tenant holds the slot and --no-wait was given
│   └── RunStoppedError       SIGTERM or SIGINT; nothing was committed
├── ContractError             the data broke its contract; trying again changes nothing
└── CommitStateUnknownError   the answer to a commit was lost: look for the stamp before anything else
"""

from __future__ import annotations

from typing import ClassVar


class DativoError(Exception):
    """The root. `str(error)` is one line: where, found, expected, remedy. Never holds a secret.

    Attributes:
        code: the error code that users see in `job_error` (interface.md lists them).
    """

    code: ClassVar[str] = "TRANSIENT_ERROR"


class RetryableError(DativoError):
    """The same run may succeed later. `retry_after`: seconds the other side asked to be left alone, or None."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CommitConflictError(RetryableError):
    """The table moved in a way that a rebase can't follow."""


class ConnectionFailedError(RetryableError):
    """A server can't be reached, or hung up. Names host and port."""

    code: ClassVar[str] = "CONNECTION_FAILED"


class RunTimeoutError(RetryableError):
    """The run reached `timeout_seconds`."""


class FatalError(DativoError):
    """Trying again changes nothing until a person changes something."""

    code: ClassVar[str] = "CONFIGURATION_ERROR"


class AuthenticationError(FatalError):
    """A server refused the credentials. Names the setting they came from, never their value."""

    code: ClassVar[str] = "AUTHENTICATION_FAILED"


class LeaseHeldError(FatalError):
    """Every run slot of the tenant is taken, and the caller does not wait."""


class RunStoppedError(FatalError):
    """The process was asked to stop."""


class ContractError(DativoError):
    """Rows or rules broke the contract, and the mode is strict."""

    code: ClassVar[str] = "VALIDATION_FAILED"


class CommitStateUnknownError(DativoError):
    """Whether the commit happened is not known; the run's stamp in the table tells."""
