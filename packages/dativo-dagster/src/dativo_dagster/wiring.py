"""A job in Dagster's terms: its name there, the asset each of its tables is, and the checks of its contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dativo_config.models.contract import Rule
from dativo_config.models.resolved import ResolvedJob, ResolvedStream, TableName
from dativo_config.problems import Problem

from dativo_dagster.names import Names, asset_key, job_name


@dataclass(frozen=True, slots=True)
class Check:
    """An asset check: one quality rule of a stream's contract, or all that the contract says of single rows.

    Attributes:
        rule: None for the check of rows: types, required values, limits, keys.
    """

    name: str
    stream: str
    key: dg.AssetKey
    rule: Rule | None

    @property
    def asset_check_key(self) -> dg.AssetCheckKey:
        """What Dagster knows it by."""
        return dg.AssetCheckKey(self.key, self.name)

    def judges(self, rule: str, kind: str) -> bool:
        """Whether a result of the engine (`RuleResult.rule`, `RuleResult.kind`) is this check's."""
        return rule == self.rule.name if self.rule is not None else kind == "row"


@dataclass(frozen=True, slots=True)
class Wiring:
    """One job as Dagster has it.

    Attributes:
        name: of its asset job.
        keys: the asset that each of its tables is.
        problems: of its files as they are now; it is served as it was before they held any.
    """

    job: ResolvedJob
    name: str
    keys: Mapping[TableName, dg.AssetKey]
    checks: tuple[Check, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def file(self) -> str:
        """The job file, as a command in the project folder takes it."""
        return self.shown(self.job.path)

    def shown(self, path: Path) -> str:
        """A path as people in the project folder write it."""
        return str(path.relative_to(self.job.project)) if path.is_relative_to(self.job.project) else str(path)

    def streams(self, key: dg.AssetKey) -> list[ResolvedStream]:
        """The streams that feed an asset."""
        return [stream for stream in self.job.streams if self.keys[stream.table] == key]


def wire(
    job: ResolvedJob, *, shared: AbstractSet[TableName], names: Names, problems: tuple[Problem, ...] = ()
) -> Wiring:
    """Give a job its names; `shared` are the tables that several jobs write."""
    keys = {stream.table: asset_key(job, stream.table, shared=stream.table in shared) for stream in job.streams}
    checks = tuple(_checks(job, keys))
    return Wiring(job=job, name=names.give(job_name(job)), keys=keys, checks=checks, problems=problems)


def _checks(job: ResolvedJob, keys: Mapping[TableName, dg.AssetKey]) -> Iterator[Check]:
    # Dagster makes output names of table and check, in which `a-b` and `a_b` are one; no name comes twice in a job.
    names = Names()
    for stream in job.streams:
        key = keys[stream.table]
        yield Check(names.give("rows_keep_the_contract"), stream.name, key, None)
        for rule in stream.schema.rules:
            yield Check(names.give(rule.name), stream.name, key, rule)
