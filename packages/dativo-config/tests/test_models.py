"""What the models of the files decide on their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from dativo_config.models.asset import FlatAsset
from dativo_config.models.connector import Recipe
from dativo_config.models.job import Job, RateLimits, RetryConfig, Source
from dativo_config.models.runner import Orchestrator, Schedule
from pydantic import BaseModel, ValidationError


def schedule(**fields: object) -> Schedule:
    return Schedule.model_validate_json(json.dumps({"name": "s", "config": "jobs/a/b.yaml", **fields}), strict=True)


@pytest.mark.parametrize("cron", ["0 * * * *", "15 2 * * *", "*/15 0-6 1,15 * 1-5", "0 0 * * 0", "0 9 * JAN MON"])
def test_a_cron_expression_of_five_fields_is_taken(cron: str) -> None:
    assert schedule(cron=cron).cron == cron


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("@daily", "expected five fields"),
        ("0 0 0 * * *", "found 6"),
        ("0 0 * *", "found 4"),
        ("", "found 0"),
        ("61 * * * *", "bad minute"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("a b c d e", "bad minute"),
    ],
)
def test_another_cron_expression_is_refused_with_its_reason(cron: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        schedule(cron=cron)
    (error,) = refused.value.errors()
    assert error["loc"] == ("cron",)
    assert message in error["msg"]


@pytest.mark.parametrize("fields", [{}, {"cron": "0 * * * *", "interval_seconds": 5}])
def test_a_schedule_has_exactly_one_rhythm(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one of cron and interval_seconds"):
        schedule(**fields)


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "Europe", "", "/etc/localtime"])
def test_a_time_zone_exists(zone: str) -> None:
    assert schedule(interval_seconds=60, timezone="Europe/Berlin").timezone == "Europe/Berlin"
    with pytest.raises(ValidationError, match="no time zone"):
        schedule(interval_seconds=60, timezone=zone)


def test_dagster_is_the_only_orchestrator() -> None:
    with pytest.raises(ValidationError):
        Orchestrator.model_validate({"type": "airflow", "schedules": []})


def test_retries_wait_no_longer_than_the_longest_wait() -> None:
    with pytest.raises(
        ValidationError, match=r"initial_delay_seconds \(400\) is greater than max_delay_seconds \(300\)"
    ):
        RetryConfig(initial_delay_seconds=400)


def test_patterns_of_errors_are_regular_expressions() -> None:
    assert RetryConfig(retryable_error_patterns=["timed? ?out"]).retryable_error_patterns == ["timed? ?out"]
    with pytest.raises(ValidationError, match="no regular expression"):
        RetryConfig(retryable_error_patterns=["("])


def test_a_burst_has_one_name() -> None:
    with pytest.raises(ValidationError, match="keep one"):
        RateLimits(burst=1, burst_size=1)


def test_no_error_shows_the_value_of_a_secret() -> None:
    with pytest.raises(ValidationError) as refused:
        Source.model_validate_json('{"dsn": ["hush-hush"], "objects": "hush-hush"}')
    assert "hush-hush" not in str(refused.value)


@pytest.mark.parametrize("model", [Job, Recipe, FlatAsset, Schedule])
def test_every_field_says_what_it_means(model: type[BaseModel]) -> None:
    assert all(field.description for field in model.model_fields.values())


def test_the_models_import_nothing_heavy() -> None:
    code = "import sys, dativo_config.models.runner, dativo_config.models.connector; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "duckdb", "yaml", "jsonschema_rs", "open_data_contract_standard", "pytz"}.intersection(
        loaded
    )
