"""The only place that derives a path, table, branch, state key or secret path from a tenant."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

ID_PATTERN = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")
ID_MAX_LENGTH = 63
# Ids hold no `__`, so the names of run branches can be taken apart again.
_RUN_BRANCH = re.compile(r"(?P<tenant>.+?)__run__(?P<job>.+?)__(?P<run_id>.+?)-(?P<attempt>\d+)(?:\.\d+)?")
RESERVED_IDS = frozenset({"global", "all", "default", "main"})

_BEGUN = re.compile(r"\d{8}t\d{6}(?=-)")


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer of the people who run dativo: a wall around secrets, state, tables and branches.

    Attributes:
        id: as in `tenant_id`; see `check_id` for the rule.
        state_root: the project's state folder (`STATE_DIR`, default `<project>/state`).
        secrets_root: the project's secrets folder (`--secrets-dir`, default `<project>/secrets`).
        alone: the project has no other tenant: then what the machine's variables open is this one's.
    """

    id: str
    state_root: Path
    secrets_root: Path
    alone: bool = True

    @property
    def environment_form(self) -> str:
        """The id as environment variables and Dagster names write it: `a-b` and `a_b` are both `A_B`."""
        return self.id.replace("-", "_").upper()

    @property
    def state_folder(self) -> Path:
        """Mirrors, checkpoints, and for the embedded default the tables themselves."""
        return self.state_root / self.id

    @property
    def catalog_file(self) -> Path:
        """The embedded catalogue."""
        return self.state_folder / "catalog.db"

    @property
    def warehouse_folder(self) -> Path:
        """The embedded catalogue's tables."""
        return self.state_folder / "warehouse"

    def mirror_file(self, job: str) -> Path:
        """The mirror of a job's last stamp."""
        return self.state_folder / "jobs" / f"{job}.json"

    def staged_folder(self, job: str) -> Path:
        """A job's checkpoints."""
        return self.state_folder / "staged" / job

    @property
    def rates_folder(self) -> Path:
        """How often each API was asked lately, by all of its runs."""
        return self.state_folder / "rates"

    @property
    def lease_folder(self) -> Path:
        """The files whose locks are the tenant's run slots."""
        return self.state_root / ".leases"

    def lease_file(self, slot: int) -> Path:
        """The file whose lock is run slot `slot`."""
        return self.lease_folder / f"{self.id}.{slot}.lock"

    @property
    def secrets_folder(self) -> Path:
        """The tenant's own secret files."""
        return self.secrets_root / self.id

    @property
    def default_branch(self) -> str:
        """The Nessie branch its jobs write to unless they name another of the tenant's."""
        return self.id

    def run_branch(self, job: str, run_id: str, attempt: int, turn: int = 1) -> str:
        """The Nessie branch that an attempt of a run writes on. Beginning anew on a moved base is its next turn."""
        again = f".{turn}" if turn > 1 else ""
        return f"{self.run_branches(job)}{run_id}-{attempt}{again}"

    def run_branches(self, job: str = "") -> str:
        """What the names of the tenant's run branches begin with, or of those of one job."""
        return f"{self.id}__run__{job}__" if job else f"{self.id}__run__"

    def stamp_property(self, job: str) -> str:
        """The table property that holds a job's stamp."""
        return f"dativo.stamp.{self.id}.{job}"

    def settings_property(self, job: str) -> str:
        """The table property that tells which others a job set."""
        return f"dativo.properties.{self.id}.{job}"

    def owns(self, name: str) -> bool:
        """Whether a branch or the first level of a namespace lies inside this tenant's walls."""
        return name == self.id or name.startswith(f"{self.id}__")


@dataclass(frozen=True, slots=True)
class RunBranch:
    """Whose a run branch is, as its name says."""

    name: str
    tenant_id: str
    job: str
    run_id: str
    attempt: int

    @property
    def begun_at(self) -> dt.datetime | None:
        """When the run began, where its id says so: one that an orchestrator gave does not."""
        found = _BEGUN.match(self.run_id)
        return dt.datetime.strptime(f"{found[0]}+0000", "%Y%m%dt%H%M%S%z") if found else None


def parse_run_branch(name: str) -> RunBranch | None:
    """What `Tenant.run_branch` made the name from; None: it is no run branch."""
    found = _RUN_BRANCH.fullmatch(name)
    if found is None:
        return None
    return RunBranch(name, found["tenant"], found["job"], found["run_id"], int(found["attempt"]))


def check_id(value: str) -> str | None:
    """What is wrong with `value` as a tenant or job name; None: nothing."""
    if len(value) > ID_MAX_LENGTH:
        return f"is {len(value)} characters long, at most {ID_MAX_LENGTH} are allowed"
    if not ID_PATTERN.fullmatch(value):
        return "must be lower-case letters and digits, single `_` or `-` between them, like `acme` or `acme-eu`"
    if value in RESERVED_IDS:
        return "is a reserved name"
    return None
