"""Requests for commits as every server takes them: what PyIceberg makes of them is too little for Nessie 0.99."""

from __future__ import annotations

import json

from pyiceberg.schema import Schema
from requests import PreparedRequest


def completed(request: PreparedRequest) -> PreparedRequest:
    """The request with the last column's id beside each new schema, and with all properties in one update.

    The specification calls the id deprecated, and says nothing of the other; Nessie fails without both.
    """
    body = json.loads(request.body if isinstance(request.body, bytes) else b"{}")
    updates = body.get("updates", [])
    properties: dict[str, str] = {}
    for update in updates:
        if update["action"] == "add-schema":
            update["last-column-id"] = Schema.model_validate(update["schema"]).highest_field_id
        elif update["action"] == "set-properties":
            properties |= update["updates"]
    others = [update for update in updates if update["action"] != "set-properties"]
    together = [{"action": "set-properties", "updates": properties}] if properties else []
    request.prepare_body(json.dumps({**body, "updates": [*others, *together]}).encode(), None)
    return request
