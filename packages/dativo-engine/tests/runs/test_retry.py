"""Which failures are tried again, and after how long."""

import pytest
from dativo_config.models.job import RetryConfig
from dativo_engine.errors import (
    AuthenticationError,
    CommitConflictError,
    CommitStateUnknownError,
    ContractError,
    FatalError,
    RetryableError,
    RunStoppedError,
    RunTimeoutError,
)
from dativo_engine.retry import next_delay

POLICY = RetryConfig(max_retries=3, initial_delay_seconds=2, max_delay_seconds=5, backoff_multiplier=2)


@pytest.mark.parametrize("kind", [RetryableError, CommitConflictError, RunTimeoutError, CommitStateUnknownError])
def test_what_may_pass_is_tried_again_up_to_the_bound(kind: type[Exception]):
    assert next_delay(kind("x"), 3, POLICY) is not None
    assert next_delay(kind("x"), 4, POLICY) is None


@pytest.mark.parametrize("kind", [FatalError, AuthenticationError, ContractError, RunStoppedError, KeyError])
def test_what_stays_wrong_is_not_tried_again(kind: type[Exception]):
    assert next_delay(kind("x"), 1, POLICY) is None


def test_the_delay_doubles_to_its_bound_with_a_little_jitter():
    delays = [next_delay(RetryableError("x"), attempt, POLICY) for attempt in (1, 2, 3)]
    for delay, base in zip(delays, (2, 4, 5), strict=True):
        assert delay is not None
        assert base <= delay <= base * 1.1


def test_a_server_that_asks_to_be_left_alone_is_left_alone():
    delay = next_delay(RetryableError("x", retry_after=60), 1, POLICY)
    assert delay is not None
    assert delay >= 60


def test_exit_code_two_in_the_policy_means_any_failure_but_a_stop():
    any_failure = POLICY.model_copy(update={"retryable_exit_codes": [2]})
    assert next_delay(FatalError("x"), 1, any_failure) is not None
    assert next_delay(ContractError("x"), 1, any_failure) is not None
    assert next_delay(RunStoppedError("x"), 1, any_failure) is None


def test_an_error_pattern_makes_a_fatal_error_retryable_but_never_a_contract_error():
    patterns = POLICY.model_copy(update={"retryable_error_patterns": ["maintenance"]})
    assert next_delay(FatalError("down for maintenance"), 1, patterns) is not None
    assert next_delay(FatalError("no such bucket"), 1, patterns) is None
    assert next_delay(ContractError("maintenance"), 1, patterns) is None
