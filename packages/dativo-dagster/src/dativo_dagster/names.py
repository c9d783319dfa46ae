"""dativo's names as Dagster takes them: letters, digits and `_`, and none of a kind twice."""

from __future__ import annotations

import keyword
import re

import dagster as dg
from dativo_config.models.resolved import ResolvedJob, TableName
from dativo_config.tenancy import Tenant

# What Dagster refuses as a name beside Python's keywords (https://docs.dagster.io, "reserved names").
RESERVED = frozenset(
    {"context", "conf", "config", "meta", "arg_dict", "dict", "input_arg_dict", "output_arg_dict", "int", "str"}
    | {"float", "bool", "input", "output", "type", *keyword.kwlist}
)
TAG_LENGTH = 63


class Names:
    """Gives names out, each once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def give(self, wanted: str) -> str:
        """`wanted` with `_` for what Dagster does not allow; the second of two that are then alike gets a number."""
        base = re.sub(r"[^A-Za-z0-9_]", "_", wanted) or "_"
        if base in RESERVED:
            base += "_"
        name, number = base, 1
        while name in self._given:
            number += 1
            name = f"{base}_{number}"
        self._given.add(name)
        return name


def job_name(job: ResolvedJob) -> str:
    """`<tenant>__<job>` in environment form, as variables write a tenant too."""
    return f"{job.tenant.environment_form}__{job.name.replace('-', '_').upper()}"


def group_name(tenant: Tenant) -> str:
    """The tenant's group of assets."""
    return re.sub(r"[^A-Za-z0-9_]", "_", tenant.id)


def pool_name(tenant: Tenant) -> str:
    """The pool whose limit bounds how many steps of a tenant go on at once."""
    return f"dativo/tenant/{tenant.id}"


def table_key(tenant: Tenant, table: TableName) -> dg.AssetKey:
    """tenant/namespace/table; a namespace of several levels is one part, so that keys of three parts are tables."""
    return dg.AssetKey([tenant.id, ".".join(table.namespace), table.table])


def tenant_of(key: dg.AssetKey) -> str:
    """Whose table an asset is."""
    return key.path[0]


def asset_key(job: ResolvedJob, table: TableName, *, shared: bool) -> dg.AssetKey:
    """What a job writes of a table: the table itself, or its part of one that several jobs write."""
    key = table_key(job.tenant, table)
    return dg.AssetKey([*key.path, job.name]) if shared else key


def tag_key(text: str) -> str:
    """A text as a key of tags; `dagster/` is Dagster's own, but for the priority of runs."""
    if text == "dagster/priority":
        return text
    namespace, slash, name = text.partition("/")
    if slash and namespace != "dagster" and namespace and name:
        return f"{_tag_part(namespace)}/{_tag_part(name)}"
    return _tag_part(text)


def tag_value(text: str) -> str:
    """A text as a value of an asset's tags, which are stricter than those of runs."""
    return _tag_part(text) if text else ""


def _tag_part(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:TAG_LENGTH] or "_"
