"""Every error of the engine, grouped by what the caller does next.

DativoError
├── RetryableError            try the whole run again, later
│   ├── CommitConflictError   another commit was first: plan again from its stamp
│   ├── ConnectionFailedError a server can't be reached, or hung up
│   ├── RateLimitError        an API wants to be left alone for longer than a run waits
│   ├── ServerError           an API failed at its own work, again and again
│   └── RunTimeoutError       the run was stopped at its time limit
├── FatalError                a person must change something first
│   ├── AuditError            what a run wrote is not what it meant to write; nothing of it is visible
│   ├── AuthenticationError   a server refused the credentials
│   ├── PermissionDeniedError the credentials are good, and do not allow this
│   ├── GoneError             what was asked for is not there
│   ├── RequestRefusedError   an API does not take the request as it is
│   ├── MalformedAnswerError  an answer is not in the form that the API's description promises
│   ├── LeaseHeldError        another run of the tenant holds the slot and --no-wait was given
│   └── RunStoppedError       SIGTERM or SIGINT
├── ContractError             the data broke its contract; trying again changes nothing
└── CommitStateUnknownError   the answer to a commit was lost: look for the stamp before anything else
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from dativo_engine.interfaces import Report


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


class RateLimitError(RetryableError):
    """An API was asked too often. `retry_after` is what it said."""

    code: ClassVar[str] = "RATE_LIMIT_EXCEEDED"


class ServerError(RetryableError):
    """An API answered that it failed (5xx), also when it was asked again."""


class RunTimeoutError(RetryableError):
    """The run reached `timeout_seconds`."""


class FatalError(DativoError):
    """Trying again changes nothing until a person changes something."""

    code: ClassVar[str] = "CONFIGURATION_ERROR"


class AuditError(FatalError):
    """The files or the commit on the run's branch are not what the run meant to write."""

    code: ClassVar[str] = "VALIDATION_FAILED"


class AuthenticationError(FatalError):
    """A server refused the credentials. Names the setting they came from, never their value."""

    code: ClassVar[str] = "AUTHENTICATION_FAILED"


class PermissionDeniedError(FatalError):
    """The credentials do not allow what was asked for. Names the permission where the API does."""

    code: ClassVar[str] = "AUTHENTICATION_FAILED"


class GoneError(FatalError):
    """There is nothing at the address that was asked."""


class RequestRefusedError(FatalError):
    """An API refused a request for what it asks, not for who asks."""


class MalformedAnswerError(FatalError):
    """An answer can't be read: no JSON, a page for people, or nothing where the records should be."""


class LeaseHeldError(FatalError):
    """Every run slot of the tenant is taken, and the caller does not wait."""


class RunStoppedError(FatalError):
    """The process was asked to stop."""


class ContractError(DativoError):
    """Rows or rules broke the contract, and the mode is strict. `reports`: what was found of each stream until then."""

    code: ClassVar[str] = "VALIDATION_FAILED"

    def __init__(self, message: str, *, reports: Mapping[str, Report] | None = None) -> None:
        super().__init__(message)
        self.reports: Mapping[str, Report] = reports or {}


class CommitStateUnknownError(DativoError):
    """Whether the commit happened is not known; the run's stamp in the table tells."""
