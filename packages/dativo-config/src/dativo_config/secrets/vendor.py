"""Vendors' own variables that open something (`AWS_SECRET_ACCESS_KEY`, `PGPASSWORD`): one tenant's, or nobody's.

Drivers read them by themselves, whatever a job says. In a project of several tenants they would be shared by all.
"""

from __future__ import annotations

import re

_KEY = re.compile(
    r"AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|SECURITY_TOKEN)"
    r"|MINIO_(?:ROOT_|ACCESS_|SECRET_)\w*|AZURE_\w*|GOOGLE_\w*CREDENTIALS\w*|PG(?:PASSWORD|PASSFILE|SERVICEFILE)"
    r"|MYSQL_(?:\w*PASSWORD|PWD)|(?:GDRIVE|GSHEETS)_CREDENTIALS_PATH|(?:STRIPE|HUBSPOT)_API_KEY"
)
# What a platform gives a machine to act as itself: the operator's choice of what jobs without keys may do.
_ROLE = re.compile(r"AWS_(?:WEB_IDENTITY_TOKEN_FILE|CONTAINER_\w+)")


def holds_key(variable: str) -> bool:
    """Whether a variable holds a key, so that no process of a project of several tenants may."""
    return _KEY.fullmatch(variable) is not None


def opens_vendor(variable: str) -> bool:
    """Whether a variable holds or leads to a key, so that no file of a project of several tenants may name it."""
    return holds_key(variable) or _ROLE.fullmatch(variable) is not None
