"""A bucket of a stage's own, looked at and put back without dativo."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import boto3

from tools.services.seaweedfs import S3Server


@dataclass(frozen=True)
class Bucket:
    """An empty bucket, once it is made."""

    server: S3Server
    name: str = field(default_factory=lambda: f"chaos-{uuid.uuid4().hex[:12]}")

    @property
    def connection(self) -> str:
        """What a job writes as `target.connection`."""
        server = self.server
        keys = f"access_key_id: {server.access_key_id}, secret_access_key: {server.secret_access_key}"
        return f'{{s3: {{endpoint: "{server.endpoint}", bucket: {self.name}, prefix: lake, {keys}}}}}'

    @property
    def properties(self) -> dict[str, str]:
        """What PyIceberg reads it with."""
        server = self.server
        keys = {"s3.access-key-id": server.access_key_id, "s3.secret-access-key": server.secret_access_key}
        return {"s3.endpoint": server.endpoint, "s3.region": "us-east-1", **keys}

    def make(self) -> None:
        """Create it."""
        self.server.make_bucket(self.name)

    def objects(self) -> set[str]:
        """The keys in it."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {found["Key"] for page in pages for found in page.get("Contents", ())}

    def uploads(self) -> list[dict[str, str]]:
        """What was begun and never finished."""
        return self._client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])

    def keep(self) -> Mapping[str, bytes]:
        """All that is in it."""
        return {key: self._client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in self.objects()}

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """Put it back as it was; objects of tables never change, so that only their names have to be compared."""
        there = self.objects()
        for key in there - kept.keys():
            self.server.delete(self.name, key)
        for key in kept.keys() - there:
            self.server.put(self.name, key, kept[key])
        for upload in self.uploads():
            self._client.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])

    @cached_property
    def _client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.server.endpoint,
            aws_access_key_id=self.server.access_key_id,
            aws_secret_access_key=self.server.secret_access_key,
            region_name="us-east-1",
        )
