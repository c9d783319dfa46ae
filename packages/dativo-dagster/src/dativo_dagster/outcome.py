"""What a run's result is in Dagster: materialisations with metadata, and the results of checks."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

import dagster as dg
from dativo_config.models.contract import JsonValue
from dativo_config.wording import counted
from dativo_engine.results import RunResult, TableResult

from dativo_dagster.wiring import Check, Wiring

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
SAMPLE = 10  # broken rules shown with their examples
LARGEST_EXACT = 2**53 - 1

Rule = Mapping[str, JsonValue]
Metadata = dict[str, dg.MetadataValue]


def materialization(
    wiring: Wiring, result: RunResult, key: dg.AssetKey, *, checks: Sequence[dg.AssetCheckResult]
) -> dg.MaterializeResult[object]:
    """A table of a run that did not fail, also where nothing was new: that it is up to date is news too."""
    names = {stream.name for stream in wiring.streams(key)}
    tables = [table for table in result.tables if table.stream in names]
    return dg.MaterializeResult(asset_key=key, metadata=_table_metadata(wiring, result, tables), check_results=checks)


def check_results(wiring: Wiring, result: RunResult) -> Iterator[tuple[Check, dg.AssetCheckResult]]:
    """The checks that were judged; where a run read nothing new, no rule was broken."""
    strict = wiring.job.job.schema_validation_mode == "strict"
    for check in wiring.checks:
        rules = [rule for rule in result.rules if rule["stream"] == check.stream]
        judged = [rule for rule in rules if check.judges(str(rule["rule"]), str(rule["kind"]))]
        if judged:
            yield check, _judged(check, judged, strict=strict)
        elif result.status != "failed" and not rules:
            yield check, _check_result(check, passed=True, description="nothing new was read")
        elif check.rule is None and result.error_code == "VALIDATION_FAILED" and not result.rules:
            # The run ended before its rows were judged: a required column is missing, say.
            yield check, _check_result(check, passed=False, description=result.error)


def failure_metadata(wiring: Wiring, result: RunResult) -> Metadata:
    """What a failed run says beside its error."""
    return {
        "error_code": dg.MetadataValue.text(result.error_code),
        "exit_code": dg.MetadataValue.int(result.exit_code),
        **_run_metadata(wiring, result),
        **_sample(result.rules),
    }


def _judged(check: Check, rules: Sequence[Rule], *, strict: bool) -> dg.AssetCheckResult:
    broken = [rule for rule in rules if not rule["passed"]]
    metadata: Metadata = {}
    if check.rule is not None:
        metadata["measured"] = dg.MetadataValue.text(_number(rules[0]["measured"]))
        metadata["expected"] = dg.MetadataValue.text(str(rules[0]["expected"]))
    fails = strict and any(rule["severity"] == "error" for rule in rules)
    return _check_result(
        check,
        passed=not broken,
        severity=ERROR if fails else WARN,
        description="; ".join(_told(rule) for rule in broken[:SAMPLE]),
        metadata={**metadata, **_sample(broken)},
    )


def _check_result(
    check: Check,
    *,
    passed: bool,
    description: str,
    severity: dg.AssetCheckSeverity = ERROR,
    metadata: Metadata | None = None,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=check.key,
        check_name=check.name,
        severity=severity,
        description=description or None,
        metadata=metadata,
    )


def _table_metadata(wiring: Wiring, result: RunResult, tables: Sequence[TableResult]) -> Metadata:
    read, rejected = sum(table.read for table in tables), sum(table.rejected for table in tables)
    written = tables[0]  # the streams of one table are committed together
    metadata: Metadata = {
        "status": dg.MetadataValue.text(written.status),
        "rows_read": dg.MetadataValue.int(read),
        "rows_accepted": dg.MetadataValue.int(read - rejected),
        "rows_rejected": dg.MetadataValue.int(rejected),
        "rows_added": dg.MetadataValue.int(written.rows),
        "bytes_written": dg.MetadataValue.int(written.size),
        "files_written": dg.MetadataValue.int(written.files),
        **_run_metadata(wiring, result),
    }
    if written.snapshot_id is not None:
        metadata["snapshot_id"] = dg.MetadataValue.text(str(written.snapshot_id))
    if written.location:
        metadata["location"] = dg.MetadataValue.text(written.location)
    if written.stamp is not None:
        metadata["stamp"] = dg.MetadataValue.json({key: _exact(value) for key, value in written.stamp.items()})
    if rejected:
        streams = {table.stream for table in tables}
        metadata |= _sample([rule for rule in result.rules if rule["stream"] in streams])
        metadata["quarantine"] = dg.MetadataValue.text(written.quarantine)
        metadata["quarantine_command"] = dg.MetadataValue.text(_quarantine_command(wiring, result))
    return metadata


def _exact(value: JsonValue) -> JsonValue:
    """With whole numbers as text where they are so large that the UI, JavaScript, would lose their last digits."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return str(value) if isinstance(value, int) and abs(value) > LARGEST_EXACT else value


def _run_metadata(wiring: Wiring, result: RunResult) -> Metadata:
    rate = result.rows_read / result.seconds if result.seconds else 0.0
    return {
        "seconds": dg.MetadataValue.float(result.seconds),
        "rows_per_second": dg.MetadataValue.float(round(rate, 1)),
        "branch": dg.MetadataValue.text(wiring.job.target.branch),
        "run_id": dg.MetadataValue.text(result.run_id),
        "attempt": dg.MetadataValue.int(result.attempt),
    }


def _sample(rules: Iterable[Rule]) -> Metadata:
    """The broken rules with their examples, those that most rows broke first.

    As a table, not as Markdown: what is in the cells is the data's, and no link or image of it is to work in the UI.
    """
    broken = sorted((rule for rule in rules if not rule["passed"]), key=_count, reverse=True)
    records = [
        dg.TableRecord(
            {
                "rule": str(rule["rule"]),
                "column": str(rule["column"]),
                "expected": str(rule["expected"]),
                "found": _number(rule["measured"]),
                "examples": "; ".join(_examples(rule)),
            }
        )
        for rule in broken[:SAMPLE]
    ]
    return {"rejected_sample": dg.MetadataValue.table(records)} if records else {}


def _told(rule: Rule) -> str:
    where = f"column {rule['column']}, " if rule["column"] else ""
    if rule["kind"] == "row":
        found = f"{counted(int(_count(rule)), 'row')} not {rule['expected']}"
    else:
        found = f"{rule['expected']}, found {_number(rule['measured'])}"
    return "; ".join((f"{where}{rule['rule']}: {found}", *_examples(rule)))


def _examples(rule: Rule) -> list[str]:
    found = rule["examples"]
    return [str(example) for example in found] if isinstance(found, list) else []


def _number(value: JsonValue) -> str:
    return f"{value:,g}" if isinstance(value, int | float) else str(value)


def _count(rule: Rule) -> float:
    measured = rule["measured"]
    return measured if isinstance(measured, int | float) and not math.isnan(measured) else 0.0


def _quarantine_command(wiring: Wiring, result: RunResult) -> str:
    run = f"{result.run_id}/{result.attempt}"
    return shlex.join(["dativo", "quarantine", "show", "--config", wiring.file, "--run", run])
