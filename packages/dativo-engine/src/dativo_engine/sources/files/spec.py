"""What every connector that reads files takes: how files are packed, and how S3 is reached."""

from __future__ import annotations

from typing import Literal

from dativo_config.models.job import Model
from pydantic import Field, SecretStr

Compression = Literal["auto", "none", "gzip", "zstd", "bz2"]

INCREMENTAL_STRATEGIES = ("file_modified_time",)
INCREMENTAL_NOTES = {"file_modified_time": "only files that are new or changed since the last committed run"}

# Read only in a project of one tenant.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_REGION": "region",
    "S3_ENDPOINT": "endpoint",
}


class FileOptions(Model):
    """Options that every file connector shares."""

    compression: Compression = Field(
        default="auto",
        description="How files are compressed; `auto` recognises gzip, zstd and bz2 by their first bytes.",
    )


class S3Connection(Model):
    """Where S3, or a server that speaks its protocol, is."""

    endpoint: str | None = Field(
        default=None, description="URL of the server, such as http://minio:9000; default: AWS."
    )
    region: str | None = Field(default=None, description="The bucket's region; default: as the AWS SDK finds it.")
    path_style_access: bool | None = Field(
        default=None,
        description="Bucket in the path (true) or in the host name (false); default: true with an endpoint.",
    )


class S3Credentials(S3Connection):
    """Keys for S3. Without keys the AWS SDK's default chain finds some."""

    access_key_id: SecretStr | None = Field(default=None, description="The access key's id.")
    secret_access_key: SecretStr | None = Field(default=None, description="The secret that belongs to it.")
    session_token: SecretStr | None = Field(default=None, description="The session token of temporary keys.")
