"""The part of docs/CONFIG_REFERENCE.md about environment variables: ours, those of stores, and those of connectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dativo_config.target_connection import MINIO_KEYS, MINIO_PLACE, S3_KEYS, S3_PLACE
from dativo_engine.connectors import specs

OURS: Mapping[str, str] = {
    "DATIVO_HOME": "The project's folder; default: found from the files. In the image `/app`.",
    "STATE_DIR": "The folder of mirrors, checkpoints and embedded catalogues; default: `state/` in the project.",
    "DATIVO_RUNNER_CONFIG": "The runner file; default: `configs/runner.yaml`.",
    "DATIVO_SECRETS_DIR": "The folder of secret files; default: `secrets/`. `--secrets-dir` says the same.",
    "DATIVO_SECRET_MANAGER": "`env` or `filesystem`: look secrets up there only. `--secret-manager` says the same.",
    "DATIVO_SECRET_MANAGER_CONFIG": "Refused: neither of them takes any.",
    "DATIVO_SECRET__<TENANT>__<NAME>": "A secret of a tenant, `ACME` for acme; of all tenants as `GLOBAL` or `ALL`. "
    "With `__json`, `__env`, `__text` or `__raw` behind it, how the value is written; default: text.",
    "DATIVO_MEMORY_LIMIT": "How much memory a run may take, like `512MiB`; default: 1 GiB, in a container at most "
    "what it has left.",
    "DATIVO_MODE": "`cloud` or `self_hosted`, for a Dagster of your own; commands have `--mode`.",
    "DATIVO_DAGSTER_POSTGRES_URL": "Where the service keeps its history; default: SQLite in the state folder.",
    "DAGSTER_HOME": "Where the service keeps what is Dagster's; default: `.dagster` in the state folder.",
    "NO_COLOR": "Anything: no colours on a terminal.",
}
NESSIE = {"uri": ("NESSIE_URI",)}
TARGETS = (
    ("target.connection.nessie", NESSIE, False),
    ("target.connection.s3", S3_PLACE, False),
    ("target.connection.s3", S3_KEYS, True),
    ("target.connection.minio", MINIO_PLACE, False),
    ("target.connection.minio", MINIO_KEYS, True),
)
ALONE = "In a project of one tenant: "


def variables() -> Iterator[str]:
    """The lines of the part."""
    yield "## Environment variables\n"
    yield "A run needs none. A file's own words win over a variable, and a command's flag over both.\n"
    yield "| variable | meaning |\n|---|---|"
    yield from (f"| `{name}` | {meaning} |" for name, meaning in OURS.items())
    yield ""
    yield "Vendors' variables fill what a file leaves out. Those that hold keys are one tenant's or nobody's: where a"
    yield "project has several tenants they are not read, and leave the environment of every run.\n"
    yield "| variable | fills |\n|---|---|"
    filled: dict[str, list[str]] = {}
    for block, fields, secret in TARGETS:
        for field, names in fields.items():
            for name in names:
                filled.setdefault(name, []).append(f"{ALONE if secret else ''}`{block}.{field}`")
    for connector, spec in sorted(specs().items()):
        for name, field in spec.environment.items():
            filled.setdefault(name, []).append(f"{ALONE}`source.credentials.{field}` of `{connector}`")
    for name, places in sorted(filled.items()):
        told = "; ".join(place.replace(ALONE, "") for place in places)
        alone = ALONE if all(place.startswith(ALONE) for place in places) else ""
        yield f"| `{name}` | {alone}{told} |"
    yield ""
    yield "Where none of them holds a key, AWS's SDK looks for one itself: `AWS_PROFILE`, `AWS_ROLE_ARN`, a role.\n"
