"""`make example-secrets`: write what the example jobs of the tenant acme name as `${secret:...}`.

python tools/example_secrets.py [PROJECT]

Values come from the environment where it has them: `python -m tools.services nessie` prints the variables of servers to
try the jobs with, and so do `python -m tests.fakes.stripe` and `python -m tests.fakes.hubspot`. What stands in the file
already stays. The image's user may read `secrets/` and write `state/` afterwards, and nobody else more than before.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
# Secret -> the variable that it is taken from, and what is written without one.
SECRETS: Mapping[str, tuple[str, str]] = {
    "stripe_api_key": ("STRIPE_API_KEY", "write-your-key-here"),
    "stripe_base_url": ("STRIPE_BASE_URL", "https://api.stripe.com"),
    "hubspot_access_token": ("HUBSPOT_ACCESS_TOKEN", "write-your-token-here"),
    "hubspot_base_url": ("HUBSPOT_BASE_URL", "https://api.hubapi.com"),
    "nessie_uri": ("NESSIE_URI", "http://localhost:19120"),
    "s3_endpoint": ("S3_ENDPOINT", "http://localhost:9000"),
    "s3_access_key_id": ("AWS_ACCESS_KEY_ID", "write-your-key-here"),
    "s3_secret_access_key": ("AWS_SECRET_ACCESS_KEY", "write-your-key-here"),
}
# Of deploy/docker/Dockerfile.
IMAGE_USER, IMAGE_GROUP = 10001, 0
# linux/posix_acl_xattr.h: a version, then (tag, permissions, id) in the order of tags and ids.
VERSION, ENTRY = struct.pack("<I", 2), struct.Struct("<HHI")
OWNER, USER, GROUP, NAMED_GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NO_ID = 0xFFFFFFFF


def write_secrets(project: Path, environment: Mapping[str, str]) -> tuple[Path, list[str]]:
    """Add the secrets that `secrets/acme/.env` lacks; answers the file and the names that were added."""
    file = project / "secrets" / "acme" / ".env"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    there = file.read_text()
    known = {line.partition("=")[0].strip().lower() for line in there.splitlines()}
    added = [name for name in SECRETS if name not in known]
    lines = [f"{name}={environment.get(SECRETS[name][0], SECRETS[name][1])}\n" for name in added]
    file.write_text(there + ("\n" if there and not there.endswith("\n") else "") + "".join(lines))
    return file, added


def open_to_image(project: Path) -> None:
    """Let the image's user read `secrets/` and write `state/`, which is made if there is none.

    Raises:
        OSError: someone else owns them, or their file system has no access control lists.
    """
    for name, permissions in (("secrets", 0o5), ("state", 0o7)):
        folder = project / name
        folder.mkdir(exist_ok=True)
        for path in (folder, *folder.rglob("*")):
            if os.geteuid() == 0:
                os.chown(path, IMAGE_USER, IMAGE_GROUP, follow_symlinks=False)
            elif not path.is_symlink() and path.stat().st_uid != IMAGE_USER:
                _grant(path, permissions)


def _grant(path: Path, permissions: int) -> None:
    """Add to a path's access control list what `setfacl --modify user:10001` would; not every machine has that."""
    entries = _entries(path)
    for user in (IMAGE_USER, path.stat().st_uid):  # its owner, who may then remove what a container made in it
        entries[USER, user] = permissions if path.is_dir() else permissions & 0o6
    entries[MASK, NO_ID] = 0
    for (tag, _), allowed in entries.items():
        entries[MASK, NO_ID] |= allowed if tag in (USER, GROUP, NAMED_GROUP) else 0
    packed = (ENTRY.pack(tag, allowed, who) for (tag, who), allowed in sorted(entries.items()))
    listed = VERSION + b"".join(packed)
    os.setxattr(path, "system.posix_acl_access", listed)
    if path.is_dir():
        os.setxattr(path, "system.posix_acl_default", listed)


def _entries(path: Path) -> dict[tuple[int, int], int]:
    """Who may what: tag and id to permissions. Without a list the mode says it."""
    if "system.posix_acl_access" in os.listxattr(path):
        listed = os.getxattr(path, "system.posix_acl_access")
        return {(tag, who): allowed for tag, allowed, who in ENTRY.iter_unpack(listed[len(VERSION) :])}
    mode = path.stat().st_mode
    return {(OWNER, NO_ID): mode >> 6 & 7, (GROUP, NO_ID): mode >> 3 & 7, (OTHERS, NO_ID): mode & 7}


def main() -> int:
    """Write them, and say which."""
    project = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY
    file, added = write_secrets(project, os.environ)
    print(f"{file}: {', '.join(added) if added else 'nothing to add'}")
    if sys.platform != "linux":
        return 0  # elsewhere containers run in a machine of their own, which gives them the user's rights
    try:
        open_to_image(project)
    except OSError as error:
        remedy = f"sudo chown -R {IMAGE_USER}:{IMAGE_GROUP} secrets state"
        print(f"{error.filename}: the image's user can't be let in ({error.strerror}); run: {remedy}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
