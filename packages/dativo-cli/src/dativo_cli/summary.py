"""What a run did, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence

from dativo_config.problems import ConfigError, to_json
from dativo_config.wording import counted
from dativo_engine.errors import DativoError, FatalError
from dativo_engine.results import RunResult

from dativo_cli.screen import BAD, DOUBTFUL, GOOD, Json, Screen, cause

STYLES = {"success": GOOD, "partial": DOUBTFUL, "failed": BAD}
SUMS = (
    "rows_read",
    "rows_accepted",
    "rows_rejected",
    "bytes_read",
    "bytes_written",
    "files_written",
    "seconds",
)
UNITS = ("B", "kB", "MB", "GB", "TB")


def show_results(screen: Screen, results: Sequence[RunResult]) -> None:
    """A short summary; the last line of a failure is its cause."""
    for result in results:
        screen.line(f"{result.job}: {result.status}", STYLES[result.status])
        if result.status != "failed" or any(table.status == "committed" for table in result.tables):
            _show_tables(screen, result)
    for result in results:
        if result.status == "failed":
            screen.error(result.error if len(results) == 1 else f"{result.job}: {result.error}")


def results_json(results: Sequence[RunResult]) -> Json:
    """The one object of `run --json`: the job's own, or the sums and each job's under `jobs`."""
    if len(results) == 1:
        return results[0].to_json()
    worst = max(results, key=lambda result: result.exit_code)
    objects = [result.to_json() for result in results]
    sums: dict[str, Json] = {name: sum(getattr(result, name) for result in results) for name in SUMS}
    return {"status": worst.status, "exit_code": worst.exit_code, **sums, "error": worst.error, "jobs": objects}


def refusal_event(error: ConfigError | DativoError) -> tuple[str, dict[str, Json]]:
    """The message and the fields of `job_error` for what was refused before anything ran."""
    if isinstance(error, ConfigError):
        problems: list[Json] = [to_json(problem) for problem in error.problems]
        message = f"nothing was run: {cause(error)}"
        return message, {"error": message, "code": FatalError.code, "exit_code": 2, "problems": problems}
    return str(error), {"error": str(error), "code": error.code, "exit_code": 2}


def human_size(size: int) -> str:
    """`1.5 MB`, in powers of 1000 as disks and buckets are sold."""
    amount = float(size)
    for unit in UNITS[:-1]:
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} {UNITS[-1]}"


def _show_tables(screen: Screen, result: RunResult) -> None:
    rate = result.rows_read / result.seconds if result.seconds else 0.0
    screen.line(
        f"  {counted(result.rows_read, 'row')} read, {result.rows_accepted:,} accepted, "
        f"{result.rows_rejected:,} rejected in {result.seconds:.1f} s ({rate:,.0f} rows/s)"
    )
    for table in result.tables:
        if table.status == "unchanged":
            screen.line(f"  {table.table}: nothing new, unchanged")
        elif table.status == "not_committed":
            screen.line(f"  {table.table}: nothing was written")
        elif table.status == "unknown":
            screen.line(f"  {table.table}: whether it was committed is not known; the next run settles it")
        else:
            screen.line(
                f"  {table.table}: {counted(table.rows, 'row')} in {counted(table.files, 'file')}, "
                f"{human_size(table.size)}, snapshot {table.snapshot_id}"
            )
        if table.rejected and table.quarantine:
            screen.line(f"  {table.quarantine}: {counted(table.rejected, 'row')}; `dativo quarantine show` lists them")
