"""How many requests an account takes: in ten seconds, in a day, and of the search in one second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.hubspot.answers import rate_limited

INTERVAL = 10.0


@dataclass
class Limits:
    """The limits of one account; None: no limit. The search tells nothing of its own in headers, as the real one."""

    per_interval: int | None = None
    per_day: int | None = None
    searches_per_second: int | None = None
    clock: Callable[[], float] = time.monotonic
    today: int = 0
    _recent: deque[float] = field(default_factory=deque[float])
    _searches: deque[float] = field(default_factory=deque[float])

    def take(self, *, search: bool) -> dict[str, str]:
        """Count a request; answers the headers that go with its response.

        Raises:
            ApiError: 429.
        """
        now = self.clock()
        if self.per_day is not None and self.today >= self.per_day:
            raise rate_limited("DAILY", self._headers())
        self.today += 1
        if search:
            if self.searches_per_second is not None and _full(self._searches, now - 1, self.searches_per_second):
                raise rate_limited("SECONDLY", {})
            self._searches.append(now)
            return {}
        if self.per_interval is not None and _full(self._recent, now - INTERVAL, self.per_interval):
            raise rate_limited("TEN_SECONDLY_ROLLING", self._headers())
        self._recent.append(now)
        return self._headers()

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self.per_day is not None:
            headers["X-HubSpot-RateLimit-Daily"] = str(self.per_day)
            headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(self.per_day - self.today)
        if self.per_interval is not None:
            headers["X-HubSpot-RateLimit-Interval-Milliseconds"] = str(int(INTERVAL * 1000))
            headers["X-HubSpot-RateLimit-Max"] = str(self.per_interval)
            headers["X-HubSpot-RateLimit-Remaining"] = str(self.per_interval - len(self._recent))
        return headers


def _full(window: deque[float], begin: float, limit: int) -> bool:
    while window and window[0] <= begin:
        window.popleft()
    return len(window) >= limit
