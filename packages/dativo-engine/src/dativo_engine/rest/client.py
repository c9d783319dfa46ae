"""One API's HTTP client: connections that are kept, requests that are tried again, answers that are bounded.

    fetch -> wait for the turn -> send, with credentials -> follow redirects -> judge the status -> read
          <- try again: the server failed, hung up, asked to wait, or its answer made no sense

What a request ends in after that is one of the classes of `errors`, with a message that a person can act on.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection
from http import HTTPStatus
from threading import Event
from types import TracebackType
from typing import Self, TypeVar

from dativo_engine.errors import DativoError, MalformedAnswerError, RateLimitError, RetryableError, RunStoppedError
from dativo_engine.redaction import Redactor
from dativo_engine.rest.auth import Credentials
from dativo_engine.rest.exchange import Answer, Request
from dativo_engine.rest.service import Service
from dativo_engine.rest.throttle import Throttle
from dativo_engine.rest.transport import Transport
from dativo_engine.rest.verdict import failure

T = TypeVar("T")
DEFAULT_BODY_BYTES = 32 * 1024 * 1024

_log = logging.getLogger(__name__)


def as_it_is(answer: Answer) -> Answer:
    """For requests whose answers are read elsewhere."""
    return answer


class Client:
    """Asks one service. Safe to use from several threads.

    Args:
        max_body_bytes: the largest answer that is taken, decompressed.
    """

    def __init__(
        self, service: Service, *, throttle: Throttle | None = None, max_body_bytes: int = DEFAULT_BODY_BYTES
    ) -> None:
        self.service = service
        self._throttle = throttle or Throttle()
        self._transport = Transport(service, max_body_bytes)
        self._interrupted = Event()
        self._mask = Redactor()
        self._masked: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up, once no other thread asks any more."""
        self._transport.close()

    def interrupt(self) -> None:
        """End every request at once, in whichever thread: those under way, those that wait, and those to come."""
        self._interrupted.set()
        self._transport.interrupt()

    def fetch(self, request: Request, *, read: Callable[[Answer], T] = as_it_is, expect: Collection[int] = ()) -> T:
        """Ask until there is an answer that `read` can make sense of, a bounded number of times.

        Args:
            read: what the answer is turned into; a `MalformedAnswerError` of it counts as the server's failure.
            expect: statuses that are no failures here.

        Raises:
            AuthenticationError, PermissionDeniedError, GoneError, RequestRefusedError: the API refused.
            RateLimitError, ServerError, ConnectionFailedError, MalformedAnswerError: it did not recover in time.
            FatalError: the address can't be asked at all: TLS, redirects, a forbidden host, too large an answer.
        """
        patience, waited = self.service.patience, 0.0
        for number in range(1, patience.tries + 1):
            try:
                self._await_turn(request)
                return read(self._judged(self._with_credentials(request), expect))
            except (RetryableError, MalformedAnswerError) as error:
                delay = self._delay(error, number)
                last = number == patience.tries or not request.repeatable
                if last or waited + delay > patience.wait or self._interrupted.is_set():
                    raise _with_tries(error, number) from error
                waited += delay
                told = f"{error}; trying again in {delay:.1f} s ({number + 1} of {patience.tries})"
                _log.warning("%s", told, extra={"event_type": "request_retried"})
                self._rest(delay)
        raise AssertionError

    def send_bare(self, request: Request) -> Answer:
        """Ask once, without credentials: how a token server is asked."""
        return self._judged(self._transport.send(request, None), ())

    def _with_credentials(self, request: Request) -> Answer:
        """The answer; on 401 that of a second request with renewed credentials, where there are some."""
        auth = self.service.auth
        used = self._known(auth.credentials(self.send_bare))
        answer = self._transport.send(request, used)
        if answer.status != HTTPStatus.UNAUTHORIZED:
            return answer
        renewed = auth.renewed(used, self.send_bare)
        return answer if renewed is None else self._transport.send(request, self._known(renewed))

    def _known(self, credentials: Credentials) -> Credentials:
        """Mask from now on what may have been got from a token server a moment ago."""
        secrets = self.service.auth.secrets
        if secrets != self._masked:
            self._mask.add(secrets)
            self._masked = secrets
        return credentials

    def _judged(self, answer: Answer, expect: Collection[int]) -> Answer:
        for header in self.service.rate_headers:
            if pause := header.pause(answer.headers):
                self._throttle.hold(pause)
        error = None if answer.status in expect else failure(answer, self.service, mask=self._mask)
        if error is None:
            return answer
        if isinstance(error, RateLimitError) and error.retry_after:
            self._throttle.hold(error.retry_after)
        raise error

    def _await_turn(self, request: Request) -> None:
        turn = self._throttle.reserve()
        if turn.held > self.service.patience.wait:
            message = f"{self._transport.asked(request)}: the API asked to be left alone for another {turn.held:.0f} s"
            raise RateLimitError(message, retry_after=turn.held)
        self._rest(turn.seconds)

    def _delay(self, error: DativoError, number: int) -> float:
        patience = self.service.patience
        backoff = min(patience.delay * 2 ** (number - 1), patience.longest_delay)
        backoff += backoff * random.uniform(0, 0.5)  # noqa: S311 - jitter, not cryptography
        asked = error.retry_after if isinstance(error, RetryableError) else None
        return backoff if asked is None else max(asked, 0.0)

    def _rest(self, seconds: float) -> None:
        if self._interrupted.wait(max(seconds, 0)):
            message = "the client was interrupted"
            raise RunStoppedError(message)


def _with_tries(error: DativoError, tries: int) -> DativoError:
    if tries == 1:
        return error
    told = f"{error} (asked {tries} times)"
    if isinstance(error, RetryableError):
        return type(error)(told, retry_after=error.retry_after)
    return type(error)(told)
