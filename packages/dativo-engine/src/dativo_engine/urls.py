"""URLs of files, and what of them may be shown. Imports no HTTP client."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

SCHEMES = ("http://", "https://")
# Parameters of presigned URLs: they change with every signature, and they are secrets.
_SIGNATURE_PREFIXES = ("x-amz-", "x-goog-")
_SIGNATURE_NAMES = frozenset({"signature", "sig", "expires", "awsaccesskeyid", "key-pair-id", "policy", "token"})


def public_name(location: str) -> str:
    """The URL without user, password and query: what may be shown.

    Where the query chooses the content, a hash of it keeps two files apart; what signs a URL is not in the hash.
    """
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    name = urlunsplit((parts.scheme, host, parts.path, "", ""))
    chooses = [
        (key, value)
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
        if key.lower() not in _SIGNATURE_NAMES and not key.lower().startswith(_SIGNATURE_PREFIXES)
    ]
    return f"{name}#{hashlib.sha256(urlencode(chooses).encode()).hexdigest()[:12]}" if chooses else name
