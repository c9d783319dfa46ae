"""Whether a failed attempt is tried again, and when. The loop over attempts is the caller's: `runs.py` or Dagster."""

from __future__ import annotations

import random
import re

from dativo_config.models.job import RetryConfig
from dativo_config.models.resolved import ResolvedJob

from dativo_engine.errors import CommitStateUnknownError, ContractError, DativoError, RetryableError, RunStoppedError

FAILURE_EXIT_CODE = 2


def retry_policy(job: ResolvedJob, *, default_retries: int) -> RetryConfig:
    """The job's own policy or the runner's; without either the default of the mode."""
    return job.retry or RetryConfig(max_retries=default_retries)


def next_delay(error: BaseException, attempt: int, policy: RetryConfig) -> float | None:
    """Seconds to wait before attempt `attempt + 1`, or None to stop.

    The delay grows exponentially and is jittered upwards by at most a tenth, so that tenants that failed together do
    not come back together. A server's `Retry-After` is a lower bound, and may go past `max_delay_seconds`.
    """
    if attempt > policy.max_retries or not _is_retryable(error, policy):
        return None
    delay = min(
        policy.initial_delay_seconds * policy.backoff_multiplier ** (attempt - 1),
        policy.max_delay_seconds,
    )
    delay += delay * random.uniform(0, 0.1)  # noqa: S311 - jitter, not cryptography
    asked = error.retry_after if isinstance(error, RetryableError) else None
    return max(delay, asked or 0.0)


def _is_retryable(error: BaseException, policy: RetryConfig) -> bool:
    if isinstance(error, RunStoppedError) or not isinstance(error, Exception):
        return False
    # An unknown outcome is safe to try again: the next attempt begins by looking for the stamp.
    if isinstance(error, RetryableError | CommitStateUnknownError):
        return True
    if FAILURE_EXIT_CODE in (policy.retryable_exit_codes or ()):
        return True
    if isinstance(error, ContractError) or not isinstance(error, DativoError):
        return False
    return any(re.search(pattern, str(error)) for pattern in policy.retryable_error_patterns or ())
