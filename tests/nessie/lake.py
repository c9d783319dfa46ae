"""A project whose tenants' tables are on Nessie and S3, and the `dativo` command run in it in a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from dativo_config.models.job import NessieConnection
from dativo_engine.catalogs.nessie_api import NessieApi
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from tests.chaos.child import Child
from tools.services.seaweedfs import S3Server

DATIVO = str(Path(sys.executable).with_name("dativo"))
Rows: TypeAlias = Sequence[tuple[int, str]]
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: {name}
version: 1.0.0
status: active
schema:
  - name: {name}
    properties:
      - {{name: id, logicalType: integer, physicalType: long, required: true, primaryKey: true, primaryKeyPosition: 1}}
      - {{name: customer, logicalType: string, required: true}}
"""
JOB = """\
tenant_id: {tenant}
source_connector: csv
source:
  files: [{{path: "data/{tenant}/{name}/*.csv", object: {name}}}]
  incremental: {{strategy: file_modified_time}}
asset_path: assets/{name}.yaml
schema_validation_mode: {validation}
target_connector: iceberg
target:
  mode: {mode}
  connection:
    nessie: {{uri: "{uri}"}}
    s3:
      endpoint: "{endpoint}"
      bucket: "{bucket}"
      prefix: {prefix}
      access_key_id: "${{secret:s3_key}}"
      secret_access_key: "${{secret:s3_secret}}"
"""
RUNNER = """\
runner:
  mode: oneshot
  shared: {branches: [main]}
  orchestrator: {type: dagster, schedules: [], concurrency_per_tenant: 20}
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """What one command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, object]]:
        """The log."""
        return [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]

    @property
    def error(self) -> str:
        """The last event's, which ends a failed run."""
        return str(self.events[-1].get("error", ""))


class Lake:
    """A project with two tenants, whose names nobody else on the server has.

    Attributes:
        uri: where its jobs find Nessie; a proxy may stand before it.
        endpoint: where they find S3.
    """

    def __init__(self, root: Path, uri: str, bucket: str, s3: S3Server) -> None:
        self.root = root
        self.uri, self.server = uri, uri
        self.endpoint, self.s3 = s3.endpoint, s3
        self.bucket, self.prefix = bucket, uuid4().hex
        self.acme, self.globex = f"acme-{self.prefix[:8]}", f"globex-{self.prefix[:8]}"
        for folder in ("jobs", "assets", "configs"):
            (root / folder).mkdir(parents=True)
        (root / "configs" / "runner.yaml").write_text(RUNNER)

    @property
    def api(self) -> NessieApi:
        """The server's own."""
        return NessieApi(NessieConnection(uri=self.server))

    def job(
        self, tenant: str, name: str = "orders", *, mode: str = "append", validation: str = "strict", target: str = ""
    ) -> str:
        """Write a job, its contract and its tenant's secrets; answers the file as `--config` takes it.

        Args:
            target: further lines below `target`, indented by two.
        """
        text = JOB.format(
            tenant=tenant,
            name=name,
            mode=mode,
            validation=validation,
            uri=self.uri,
            endpoint=self.endpoint,
            bucket=self.bucket,
            prefix=self.prefix,
        )
        for folder in (f"jobs/{tenant}", f"secrets/{tenant}", f"data/{tenant}/{name}"):
            (self.root / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.root / "assets" / f"{name}.yaml").write_text(CONTRACT.format(name=name))
        file = self.root / "jobs" / tenant / f"{name}.yaml"
        file.write_text(text + target)
        secrets = {"s3_key": self.s3.access_key_id, "s3_secret": self.s3.secret_access_key}
        for secret, value in secrets.items():
            place = self.root / "secrets" / tenant / secret
            place.write_text(value)
            place.chmod(0o600)
        return str(file.relative_to(self.root))

    def arrive(self, tenant: str, rows: Sequence[tuple[object, str]], *, name: str = "orders", file: str = "") -> None:
        """A file of rows, which the job loads in its next run."""
        folder = self.root / "data" / tenant / name
        text = "\n".join(["id,customer", *(f"{number},{customer}" for number, customer in rows)])
        (folder / (file or f"{len(list(folder.iterdir())):04}.csv")).write_text(text + "\n")

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of a child: this one's, without what would change where it looks."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("DATIVO_", "AWS_", "S3_"))}
        return {**kept, "COLUMNS": "200", **(extra or {})}

    def dativo(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
        """A command to its end."""
        done = subprocess.run(
            [DATIVO, *arguments],
            cwd=self.root,
            env=self.environment(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def forked(self, config: str) -> int:
        """The exit code of a run in a child that has imported everything: hundreds of runs take minutes."""
        return Child(self.root, ["run", "--config", config], log=self.root / "log.txt").finish()

    def run(self, config: str, *, expected: int = 0) -> Finished:
        """A run that ends as expected."""
        done = self.dativo("run", "--config", config)
        assert done.exit_code == expected, done.stderr
        return done

    def catalog(self, branch: str) -> Catalog:
        """A branch, without dativo."""
        return load_catalog(
            "lake",
            type="rest",
            uri=f"{self.server}/iceberg/{branch}",
            **{
                "s3.endpoint": self.s3.endpoint,
                "s3.access-key-id": self.s3.access_key_id,
                "s3.secret-access-key": self.s3.secret_access_key,
                "s3.region": "us-east-1",
            },
        )

    def table(self, branch: str, tenant: str, name: str = "orders") -> Table | None:
        """A table on a branch; None: there is none."""
        try:
            return self.catalog(branch).load_table((tenant, name))
        except NoSuchTableError:
            return None

    def rows(self, branch: str, tenant: str, name: str = "orders") -> list[tuple[int, str]] | None:
        """What PyIceberg reads there, sorted."""
        table = self.table(branch, tenant, name)
        if table is None:
            return None
        found = table.scan().to_arrow().to_pydict()
        return sorted(zip(found["id"], found["customer"], strict=True))

    def objects(self, prefix: str) -> list[str]:
        """The keys in the bucket that begin so."""
        return self.s3.keys(self.bucket, prefix)

    def run_branches(self, tenant: str) -> list[str]:
        """The branches of runs, live or dead."""
        return [branch.name for branch in self.api.branches(f"{tenant}__run__")]
