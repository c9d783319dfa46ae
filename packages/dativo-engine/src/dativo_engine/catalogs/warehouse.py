"""Where a job's table files go, and with which settings they are reached, under PyIceberg's names for those."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dativo_engine.catalogs.locations import file_location
from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.job import ObjectStore
    from dativo_config.models.resolved import ResolvedJob


def warehouse_location(job: ResolvedJob) -> str:
    """The location below which a job's tables are created, without a slash at its end.

    Raises:
        FatalError: an object store without a bucket.
    """
    if job.target.warehouse:
        return job.target.warehouse.rstrip("/")
    store = object_store(job)
    if store is None:
        return file_location(job.tenant.warehouse_folder)
    if not store.bucket:
        message = f"{job.path}: target.connection.s3.bucket: missing; name the bucket, or set target.warehouse"
        raise FatalError(message)
    return f"s3://{'/'.join(part for part in (store.bucket, (store.prefix or '').strip('/')) if part)}"


def file_properties(job: ResolvedJob) -> dict[str, str]:
    """What a FileIO needs to know besides the location. Holds secrets: not to be shown.

    Without keys among them the SDK's default chain finds some.
    """
    store = object_store(job)
    if store is None:
        return {}
    secrets = {
        "s3.access-key-id": store.access_key_id,
        "s3.secret-access-key": store.secret_access_key,
        "s3.session-token": store.session_token,
    }
    found = {name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None}
    if store.endpoint:
        found["s3.endpoint"] = store.endpoint
    if store.region:
        found["s3.region"] = store.region
    if store.path_style_access is not None:
        found["s3.force-virtual-addressing"] = str(not store.path_style_access).lower()
    return found


def object_store(job: ResolvedJob) -> ObjectStore | None:
    """The object store that the job names, under either of its names."""
    connection = job.target.connection
    return None if connection is None else connection.s3 or connection.minio
