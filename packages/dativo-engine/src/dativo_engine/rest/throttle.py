"""How often an API is asked: one rate for all processes of a tenant that use one credential.

The state is one small file under the tenant's state folder, changed under an operating-system lock that `kill -9`
frees. It holds two moments: when the next request may start, and until when the API wants to be left alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.job import RateLimits

    from dativo_engine.interfaces import SourceSettings

# A file further ahead than this was written by a clock that has been set back since.
_FARTHEST_AHEAD = 24 * 3600.0
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e12


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests in a second, on average, and how many may start at once after a rest."""

    per_second: float
    burst: int = 1

    @classmethod
    def of(cls, limits: RateLimits | None, default: Rate | None = None) -> Rate | None:
        """What the job sets, else the connector's default. Of two limits the stricter counts."""
        if limits is None:
            return default
        minute = limits.requests_per_minute
        rates = [rate for rate in (limits.requests_per_second, minute and minute / 60) if rate]
        burst = limits.burst_size or limits.burst
        if not rates:
            return default if default is None or burst is None else cls(default.per_second, burst)
        return cls(min(rates), burst or max(1, math.ceil(min(rates))))


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """Headers by which an API tells what is left of a rate.

    Attributes:
        remaining: the header with the requests that are left.
        reset: the header that says when there are more: seconds from now, seconds or milliseconds since 1970.
        window: seconds after which there are more, where no header says it.
    """

    remaining: str
    reset: str = ""
    window: float = 0

    def pause(self, headers: Mapping[str, str]) -> float:
        """Seconds until there are more requests; 0: there are some."""
        remaining = _number(headers.get(self.remaining, ""))
        if remaining is None or remaining > 0:
            return 0
        until = _number(headers.get(self.reset, ""))
        if until is None:
            return self.window
        if until >= _EPOCH_SECONDS:
            until = (until / 1000 if until >= _EPOCH_MILLISECONDS else until) - time.time()
        return max(0.0, until)


STANDARD_HEADERS: Sequence[RateHeaders] = (
    RateHeaders("ratelimit-remaining", "ratelimit-reset"),
    RateHeaders("x-ratelimit-remaining", "x-ratelimit-reset"),
    RateHeaders("x-rate-limit-remaining", "x-rate-limit-reset"),
)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, written as a number or as an HTTP date."""
    written = headers.get("retry-after", "")
    seconds = _number(written)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(written).timestamp() - time.time())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Turn:
    """When a request may start.

    Attributes:
        seconds: from now on.
        held: for so many of them the API itself wants to be left alone.
    """

    seconds: float
    held: float


@dataclass(slots=True)
class Throttle:
    """The bucket of one tenant and credential.

    Attributes:
        file: its state; None: this process's memory.
        rate: None: only what the API itself asks for.
    """

    file: Path | None = None
    rate: Rate | None = None
    _memory: tuple[float, float] = field(default=(0.0, 0.0))
    _lock: Lock = field(default_factory=Lock)

    def reserve(self) -> Turn:
        """Take the next request's turn."""
        with self._state() as state:
            now = time.time()
            due, held = (0.0 if moment > now + _FARTHEST_AHEAD else moment for moment in state)
            start = now
            if self.rate is not None:
                # The bucket as one moment: when it will be full again, of `burst` requests (GCRA).
                interval = 1 / self.rate.per_second
                start = max(now, due - interval * (self.rate.burst - 1))
                due = max(due, now) + interval
            state[:] = due, held
            return Turn(max(start, held) - now, max(held - now, 0.0))

    def hold(self, seconds: float) -> None:
        """Nobody asks before so many seconds have passed: the API said so."""
        with self._state() as state:
            state[1] = max(state[1], time.time() + seconds)

    @contextmanager
    def _state(self) -> Generator[list[float]]:
        if self.file is None:
            with self._lock:
                moments = list(self._memory)
                yield moments
                self._memory = (moments[0], moments[1])
            return
        descriptor = _open(self.file)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            written = os.pread(descriptor, 200, 0)
            moments = _moments(written)
            yield moments
            text = json.dumps(moments).encode()
            if text != written:
                os.pwrite(descriptor, text, 0)
                os.ftruncate(descriptor, len(text))
        finally:
            os.close(descriptor)


def open_throttle(settings: SourceSettings, *, host: str, identity: str, default: Rate | None = None) -> Throttle:
    """The bucket that all runs of the settings' tenant share which ask this host with this credential."""
    rate = Rate.of(settings.rate_limits, default)
    if settings.rates_folder is None:
        return Throttle(None, rate)
    # Slow on purpose: the name of the file must not help to guess a password.
    salt = f"{settings.tenant_id} {host}".encode()
    name = hashlib.scrypt(identity.encode(), salt=salt, n=2**12, r=8, p=1, dklen=12).hex()
    return Throttle(settings.rates_folder / f"{settings.connector}-{name}", rate)


def _open(file: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        try:
            return os.open(file, flags, 0o644)
        except FileNotFoundError:
            file.parent.mkdir(parents=True, exist_ok=True)
            return os.open(file, flags, 0o644)
    except OSError as error:
        message = f"{error.filename}: the rate of requests can't be kept there: {error.strerror}; make it writable"
        raise FatalError(message) from error


def _moments(written: bytes) -> list[float]:
    try:
        due, held = json.loads(written)
        return [float(due), float(held)]
    except (ValueError, TypeError):
        return [0.0, 0.0]  # new, or a write was cut short


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
