"""Whose contract a job points at, and what the job says of its columns."""

from __future__ import annotations

from collections.abc import Iterator

from dativo_config.draft import Draft
from dativo_config.models.contract import Contract, SchemaObject
from dativo_config.problems import Problem, closest


def check_contract(draft: Draft) -> Iterator[Problem]:
    """The contract's own tenant, and `classification_overrides`."""
    if draft.contract is None:
        return
    contract = draft.contract.contract
    named = contract.table_properties.get("asset.tenant")
    if named not in (None, draft.tenant.id):
        at = ("asset_path",) if draft.job.asset_path is not None else ("asset",)
        hint = f"name a contract of {draft.tenant.id}'s, or remove `tenant` from one that several share"
        yield draft.problem(at, f"the contract is the tenant '{named}''s", hint=hint)
    yield from _overrides(draft, contract)


def _overrides(draft: Draft, contract: Contract) -> Iterator[Problem]:
    """They name columns; in a contract of several objects first the object: `orders: {email: pii}`."""
    at = "classification_overrides"
    names = [name for item in contract.objects for name in _columns(item)]
    for key, value in draft.job.classification_overrides.items():
        owner, _, column = key.partition(".")
        found = contract.object(owner) if len(contract.objects) > 1 else None
        if found is None:
            if len(contract.objects) == 1 and key not in names and owner not in names:
                yield draft.problem((at, key), "is no column of the contract", hint=closest(key, names), key=True)
            elif len(contract.objects) > 1:
                message = "is no object of the contract, which has several"
                hint = closest(key, [item.name for item in contract.objects]) or "write object: {column: ...}"
                yield draft.problem((at, key), message, hint=hint, key=True)
            continue
        inside = [column] if column else list(value) if isinstance(value, dict) else []
        for name in inside:
            if name.partition(".")[0] not in _columns(found):
                path = (at, key) if column else (at, key, name)
                message = f"'{name}' is no column of '{found.name}' in the contract"
                yield draft.problem(path, message, hint=closest(name, _columns(found)), key=True)


def _columns(item: SchemaObject) -> list[str]:
    return [column.column for column in item.properties]
