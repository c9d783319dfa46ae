"""Where a job's table files go, and with which settings they are reached, under PyIceberg's names for those."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dativo_engine.catalogs.locations import file_location

if TYPE_CHECKING:
    from dativo_config.models.resolved import ResolvedJob

# The storage through which PyIceberg reads and writes metadata.
FILE_IO: Mapping[str, str] = {"py-io-impl": "dativo_engine.storage.fileio.StorageFileIO"}


def warehouse_location(job: ResolvedJob) -> str:
    """The location below which a job's tables are created, without a slash at its end."""
    warehouse = job.target.warehouse
    return warehouse if "://" in warehouse else file_location(Path(warehouse or job.tenant.warehouse_folder))


def file_properties(job: ResolvedJob) -> dict[str, str]:
    """What a FileIO needs to know besides the location. Holds secrets: not to be shown.

    Without keys among them the SDK's default chain finds some: variables, a profile, an instance's role.
    """
    store = job.target.connection and job.target.connection.store
    if store is None:
        return dict(FILE_IO)
    secrets = {
        "s3.access-key-id": store.access_key_id,
        "s3.secret-access-key": store.secret_access_key,
        "s3.session-token": store.session_token,
    }
    found = {name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None}
    found |= FILE_IO
    if store.endpoint:
        found["s3.endpoint"] = store.endpoint
    if store.region:
        found["s3.region"] = store.region
    if store.path_style_access is not None:
        found["s3.force-virtual-addressing"] = str(not store.path_style_access).lower()
    return found
