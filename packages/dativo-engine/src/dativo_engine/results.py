"""What a run is asked and what it answers: the stable shapes behind `dativo run --json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal, Protocol

from dativo_config.models.contract import JsonValue

from dativo_engine.interfaces import Stamp

Status = Literal["success", "partial", "failed"]
TableStatus = Literal["committed", "unchanged", "already_committed", "not_committed", "unknown"]
EXIT_CODES: Mapping[Status, int] = {"success": 0, "partial": 1, "failed": 2}


class Progress(Protocol):
    """Who watches a run: a progress bar, or nobody."""

    def expect(self, size: int | None) -> None:
        """How many bytes of the source are still to be read; called once for every split that is known."""
        ...

    def advance(self, rows: int, size: int) -> None:
        """Rows and bytes read since the last call."""
        ...


class NoProgress:
    """Nobody watches."""

    def expect(self, size: int | None) -> None: ...

    def advance(self, rows: int, size: int) -> None: ...


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How one run differs from what its files say.

    Attributes:
        full_refresh: read everything again and replace the tables, with a new stamp.
        replay: read rejected rows instead of the source, of these runs (names as `dativo quarantine show` has them;
            empty: of all); None: the source.
        objects: only these streams; empty: all.
        dry_run: read and enforce, write nothing.
        wait: whether a run that finds the tenant's slots taken waits for one or fails.
        secret_manager: `env` or `filesystem`; None: both, then GLOBAL.
        concurrency_per_tenant: run slots of a tenant.
        default_retries: `max_retries` where neither job nor runner has a `retry_config`.
        run_id: given by an orchestrator; empty: made here.
        tenant_sources: what the tenant id was read from, for `tenant_inferred`.
    """

    full_refresh: bool = False
    replay: tuple[str, ...] | None = None
    objects: tuple[str, ...] = ()
    dry_run: bool = False
    wait: bool = True
    secret_manager: str | None = None
    concurrency_per_tenant: int = 1
    default_retries: int = 0
    run_id: str = ""
    tenant_sources: tuple[str, ...] = ("job",)


@dataclass(slots=True)
class Tally:
    """What was counted so far, also when the attempt fails."""

    rows_read: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    files_written: int = 0


@dataclass(frozen=True, slots=True)
class TableResult:
    """What a run did to one table.

    Attributes:
        status: committed; unchanged (neither rows nor cursor moved); already_committed (a lost answer, found again);
            not_committed (the run failed, or was a dry run); unknown (the answer to a commit was lost, and what became
            of it can't be seen: the next run settles it).
        read: rows of the stream; `rows` are those that the commit added to the table.
        size: bytes of the data files added.
        stamp: the job's stamp as it stands in the table.
    """

    table: str
    stream: str
    status: TableStatus
    read: int = 0
    rows: int = 0
    rejected: int = 0
    files: int = 0
    size: int = 0
    snapshot_id: int | None = None
    metadata_location: str = ""
    location: str = ""
    quarantine: str = ""
    stamp: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """How one run of one job ended.

    Attributes:
        tables: empty where a run failed before it published anything.
        error: one line without secrets; empty where there was none.
        rules: every rule of the contract that was judged, with its stream: the fields of `RuleResult`.
        stopped: a signal ended it, so that no other job should be started.
        retry_in: seconds after which the next attempt is due, where the loop over attempts is the caller's
            (`runs.run_attempt`); None: the run is over.
        cause: the exception behind `error`, for a traceback; may hold secrets.
    """

    job: str
    tenant: str
    run_id: str
    attempt: int
    status: Status
    rows_read: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    files_written: int = 0
    seconds: float = 0.0
    tables: tuple[TableResult, ...] = ()
    rules: tuple[Mapping[str, JsonValue], ...] = field(default=())
    error: str = ""
    error_code: str = ""
    stopped: bool = False
    retry_in: float | None = None
    cause: Exception | None = None

    @property
    def exit_code(self) -> int:
        """0 every row processed, 1 some rejected or a rule broken in warn mode, 2 failure."""
        return EXIT_CODES[self.status]

    def to_json(self) -> dict[str, JsonValue]:
        """The object that `dativo run --json` prints: documented, stable names."""
        shown = asdict(replace(self, cause=None))
        del shown["cause"], shown["stopped"], shown["retry_in"]
        return {**shown, "exit_code": self.exit_code}


def describe_stamp(stamp: Stamp) -> dict[str, JsonValue]:
    """A stamp as `run --json`, `state show` and `table show` print it."""
    return {
        "tenant": stamp.tenant,
        "job": stamp.job,
        "run_id": stamp.run_id,
        "attempt": stamp.attempt,
        "committed_at": stamp.committed_at,
        "snapshot_id": stamp.snapshot_id,
        "cursors": {name: dict(cursor.value) for name, cursor in stamp.cursors.items()},
        "versions": dict(stamp.versions),
    }
