"""`make example-secrets`: write what the example jobs of the tenant acme name as `${secret:...}`.

python tools/example_secrets.py [PROJECT]

Values come from the environment where it has them: `python -m tools.services nessie` prints the variables of servers to
try the jobs with, and so do `python -m tests.fakes.stripe` and `python -m tests.fakes.hubspot`. What stands in the file
already stays.
"""

from __future__ import annotations

import os
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


def main() -> None:
    """Write them, and say which."""
    file, added = write_secrets(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY, os.environ)
    print(f"{file}: {', '.join(added) if added else 'nothing to add'}")


if __name__ == "__main__":
    main()
