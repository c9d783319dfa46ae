"""No value in a tenant's job changes another tenant's branch, namespace, files or state, on real servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from lake import Lake

from tests.chaos.child import Child

# What acme's job says, and `{other}` is the other tenant's id. Below `target`, and in its place.
TARGETS = [
    "branch: {other}",
    "branch: {other}__audit",
    "branch: {own}/../{other}",
    "branch: {own}%2F..%2F{other}",
    "branch: '{own}@{hash}'",
    "branch: '{other}@{hash}'",
    "branch: '{hash}'",
    "branch: '{own}|s3://{bucket}/{prefix}/{other}'",
    "branch: {own}__run__orders__x-1/{other}",
    "branch: main",
    "namespace: {other}",
    "namespace: {other}.sales",
    "namespace: '{own}.{other}/..'",
    "namespace: '{own}\\x1f{other}'",
    "table: ../{other}/orders",
    "table: '{other}.orders'",
    "table: 'orders%2F..%2F..%2F{other}'",
    "warehouse: s3://{bucket}/{prefix}/{other}/orders",
    "warehouse: s3://{bucket}/{prefix}/x/../{other}",
    "publish: {{to: {other}}}",
    "publish: {{to: '{other}@{hash}'}}",
    "properties: {{write.data.path: 's3://{bucket}/{prefix}/{other}/orders/data'}}",
    "properties: {{write.metadata.path: 's3://{bucket}/{prefix}/{other}/orders/metadata'}}",
    "properties: {{dativo.stamp.{other}.orders: '{{}}'}}",
]
LINES = [
    ("tenant_id: {own}", "tenant_id: {other}"),
    ("tenant_id: {own}", "tenant_id: {own}__x"),
    ("tenant_id: {own}", "tenant_id: {own}\nname: ../{other}/orders"),
    ("tenant_id: {own}", "tenant_id: {own}\nname: orders__{other}"),
    ("data/{own}/orders/*.csv", "data/{other}/orders/*.csv"),
    ("data/{own}/orders/*.csv", "state/{other}/jobs/*.json"),
    ("strategy: file_modified_time", "strategy: file_modified_time, state_path: state/{other}/jobs/orders.json"),
    ("${secret:s3_key}", "${secret:../{other}/s3_key}"),
    ("${secret:s3_key}", "${DATIVO_SECRET__{OTHER}__KEY}"),
    ("${secret:s3_key}", "${AWS_ACCESS_KEY_ID}"),
    ("asset_path: assets/", "asset_path: secrets/{other}/"),
]


@dataclass(frozen=True)
class Neighbour:
    """The other tenant, after its first run: what is there of it."""

    lake: Lake
    config: str

    def everything(self) -> Mapping[str, object]:
        """Every branch but acme's own with its commit, every object below its folder, its files on this machine."""
        lake = self.lake
        branches = {branch.name: branch.hash for branch in lake.api.references() if not branch.name.startswith("acme")}
        mine = [lake.root / folder / lake.globex for folder in ("state", "secrets", "data", "jobs")]
        files = {str(file): file.read_bytes() for folder in mine for file in _files(folder)}
        return {**branches, **files, **dict.fromkeys(lake.objects(f"{lake.prefix}/{lake.globex}/"), "")}


@pytest.fixture
def neighbour(lake: Lake) -> Neighbour:
    """A tenant beside acme, whose job is acme's to attack."""
    (lake.root / "configs" / "runner.yaml").unlink()  # the operator opens no branch
    config = lake.job(lake.globex)
    lake.arrive(lake.globex, [(1, "theirs")])
    lake.run(config)
    return Neighbour(lake, config)


@pytest.mark.timeout(600)
def test_no_value_of_a_job_reaches_another_tenant_s_branch_namespace_folder_or_state(neighbour: Neighbour) -> None:
    lake, before = neighbour.lake, neighbour.everything()
    config = lake.job(lake.acme)
    lake.arrive(lake.acme, [(666, "mine")])
    plain = (lake.root / config).read_text()
    branch = lake.api.branch(lake.globex)
    assert branch is not None
    names = {
        "own": lake.acme,
        "other": lake.globex,
        "OTHER": lake.globex.replace("-", "_").upper(),
        "hash": branch.hash,
        "bucket": lake.bucket,
        "prefix": lake.prefix,
    }
    refused: dict[str, bool] = {}
    attacks = [f"{plain}  {line.format(**names)}\n" for line in TARGETS]
    attacks += [plain.replace(_filled(old, names), _filled(new, names)) for old, new in LINES]
    for attack in attacks:
        assert attack != plain
        (lake.root / config).write_text(attack)
        # Forked from a process that has imported everything: dozens of runs take seconds.
        child = Child(lake.root, ["run", "--config", config], log=lake.root / "log.txt", environment=_leaked(lake))
        code = child.finish()
        changed = "\n".join(line for line in attack.splitlines() if line not in plain)
        assert "Traceback" not in child.log.read_text(), changed
        assert neighbour.everything() == before, changed
        refused[changed] = code == 2
    assert [changed for changed, was in refused.items() if not was] == []
    (lake.root / config).write_text(plain)
    lake.run(config)
    assert (lake.rows(lake.acme, lake.acme), neighbour.everything()) == ([(666, "mine")], before)


def test_a_job_without_keys_does_not_get_those_of_the_machine_where_there_are_several_tenants(
    neighbour: Neighbour,
) -> None:
    lake, before = neighbour.lake, neighbour.everything()
    config = lake.job(lake.acme)
    lake.arrive(lake.acme, [(666, "mine")])
    job = lake.root / config
    job.write_text("\n".join(line for line in job.read_text().splitlines() if "access_key" not in line) + "\n")
    done = lake.dativo("run", "--config", config, environment=_leaked(lake))
    assert done.exit_code == 2, done.stderr
    assert "there are no credentials" in done.error
    assert "target.connection.s3.access_key_id" in done.error
    assert neighbour.everything() == before


def _leaked(lake: Lake) -> dict[str, str]:
    """What a careless operator has in the environment; no instance role answers here."""
    return {
        "AWS_ACCESS_KEY_ID": lake.s3.access_key_id,
        "AWS_SECRET_ACCESS_KEY": lake.s3.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        f"DATIVO_SECRET__{lake.globex.replace('-', '_').upper()}__KEY": lake.s3.access_key_id,
    }


def _filled(text: str, names: Mapping[str, str]) -> str:
    """With the names put in; `${...}` is YAML's and stays."""
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]
