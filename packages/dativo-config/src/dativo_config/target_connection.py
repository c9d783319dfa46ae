"""The catalogue and store of a job's tables: the job's own words, over its recipe's, over the environment's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import SecretStr

from dativo_config.interpolate import Environment
from dativo_config.models.job import CatalogKind, Connection, Model, NessieConnection, ObjectStore

_Model = TypeVar("_Model", bound=Model)
_Variables = Mapping[str, tuple[str, ...]]

CATALOGS: tuple[CatalogKind, ...] = ("nessie", "rest", "sql")
STORES = ("s3", "minio")

# Field -> the variables that may hold it, the first that is set wins.
S3_PLACE: _Variables = {
    "endpoint": ("S3_ENDPOINT",),
    "bucket": ("S3_BUCKET",),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
}
S3_KEYS: _Variables = {
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN",),
}
MINIO_PLACE: _Variables = {
    "endpoint": ("MINIO_ENDPOINT", "S3_ENDPOINT"),
    "bucket": ("MINIO_BUCKET", "S3_BUCKET"),
    "region": ("MINIO_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
}
MINIO_KEYS: _Variables = {
    "access_key_id": ("MINIO_ACCESS_KEY", "MINIO_ROOT_USER"),
    "secret_access_key": ("MINIO_SECRET_KEY", "MINIO_ROOT_PASSWORD"),
}


def complete(
    own: Connection | None, template: Connection | None, *, catalog: str | None, environment: Environment
) -> Connection | None:
    """The connection as a run opens it; None: the embedded catalogue in the state folder.

    Variables complete what a file names; they never choose a catalogue that no file names.

    Args:
        own: `target.connection` of the job.
        template: `connection_template` of its target recipe.
        catalog: what the files name as the catalogue.
    """
    merged = _over(own, _without_rivals(template, own))
    remote = catalog in CATALOGS or (merged is not None and merged.catalog in CATALOGS)
    if merged is None and not remote:
        return None
    merged = merged or Connection()
    nessie, s3, minio = merged.nessie, merged.s3, merged.minio
    if nessie is not None or (catalog == "nessie" and merged.catalog == "embedded"):
        nessie = _completed(nessie or NessieConnection(), {"uri": ("NESSIE_URI",)}, environment)
    if (
        merged.store is None
        and remote
        and any(environment.variables.get(name) for name in ("S3_ENDPOINT", "S3_BUCKET"))
    ):
        s3 = ObjectStore()
    s3 = s3 and _with_keys(s3, S3_PLACE, S3_KEYS, environment)
    minio = minio and _with_keys(minio, MINIO_PLACE, MINIO_KEYS, environment)
    completed = merged.model_copy(update={"nessie": nessie, "s3": s3, "minio": minio})
    return completed if any(getattr(completed, kind) is not None for kind in (*CATALOGS, *STORES)) else None


def _without_rivals(template: Connection | None, own: Connection | None) -> Connection | None:
    """The template without the catalogues and stores in whose place the job names another."""
    if template is None or own is None:
        return template
    named = [group for group in (CATALOGS, STORES) if any(getattr(own, kind) is not None for kind in group)]
    rivals = [kind for group in named for kind in group if getattr(own, kind) is None]
    return template.model_copy(update=dict.fromkeys(rivals))


def _over(own: _Model | None, template: _Model | None) -> _Model | None:
    """The template with what the job sets in it, block by block."""
    if own is None or template is None:
        return own or template
    update: dict[str, object] = {}
    for name in own.model_fields_set:
        value, below = getattr(own, name), getattr(template, name)
        update[name] = _over(value, below) if isinstance(value, Model) and isinstance(below, Model) else value
    return template.model_copy(update=update)


def _with_keys(store: ObjectStore, place: _Variables, keys: _Variables, environment: Environment) -> ObjectStore:
    store = _completed(store, place, environment)
    if store.access_key_id is not None or store.secret_access_key is not None or not environment.one_tenant:
        return store
    return _completed(store, keys, environment)


def _completed(block: _Model, variables: _Variables, environment: Environment) -> _Model:
    """The block with what it leaves out taken from variables."""
    update: dict[str, object] = {}
    for name, candidates in variables.items():
        found = next((text for variable in candidates if (text := environment.variables.get(variable))), None)
        if found is not None and getattr(block, name) in (None, ""):
            secret = "SecretStr" in str(type(block).model_fields[name].annotation)
            update[name] = SecretStr(found) if secret else found
    return block.model_copy(update=update)
