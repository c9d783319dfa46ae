"""What the service asks of Dagster's webserver: GraphQL over HTTP, as the UI does."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from dativo_dagster.service.settings import CODE_LOCATION

_LOCATION = """
query { workspaceLocationEntryOrError(name: "%s") {
  __typename
  ... on WorkspaceLocationEntry {
    loadStatus
    locationOrLoadError { __typename ... on PythonError { message } }
  }
} }
"""
_RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "%s") {
  __typename
  ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
  ... on ReloadNotSupported { message }
  ... on RepositoryLocationNotFound { message }
} }
"""


class WebserverError(Exception):
    """The webserver does not answer, or answers with an error."""


def query(url: str, text: str, *, seconds: float = 10.0) -> dict[str, Any]:
    """The `data` of a GraphQL query.

    Raises:
        WebserverError: there is no answer, or one without data.
    """
    request = urllib.request.Request(  # noqa: S310 - the service's own address
        f"{url}/graphql",
        data=json.dumps({"query": text}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310 - as above
            found: dict[str, Any] = json.load(answer)
    except (OSError, ValueError, HTTPException) as error:
        raise WebserverError(f"{url}: {error}") from error
    if found.get("errors") or not found.get("data"):
        message = f"{url}: {json.dumps(found.get('errors'))[:500]}"
        raise WebserverError(message)
    return found["data"]


def location_problem(url: str) -> str | None:
    """Why the code location can't be used; None: it is loaded.

    Raises:
        WebserverError: the webserver does not answer.
    """
    entry = query(url, _LOCATION % CODE_LOCATION)["workspaceLocationEntryOrError"]
    return _problem(entry)


def reload_location(url: str) -> str | None:
    """Have the code server load the definitions again; what is wrong with them, or None.

    Raises:
        WebserverError: the webserver does not answer, or does not allow it (read-only).
    """
    return _problem(query(url, _RELOAD % CODE_LOCATION, seconds=120)["reloadRepositoryLocation"])


def _problem(entry: Mapping[str, Any]) -> str | None:
    if entry.get("loadStatus") == "LOADING":
        return "the definitions are being loaded"
    found = entry.get("locationOrLoadError")
    if found is None:
        return str(entry.get("message") or "the code location is not known")
    return str(found["message"]).strip() if found["__typename"] == "PythonError" else None
