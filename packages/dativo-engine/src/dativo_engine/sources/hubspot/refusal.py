"""What HubSpot says of a request that it refuses."""

from __future__ import annotations

import msgspec

from dativo_engine.rest import Answer
from dativo_engine.rest.verdict import said


class _Context(msgspec.Struct, frozen=True, rename="camel"):
    """Where scopes are named: which of these fields it is depends on the endpoint."""

    required_granular_scopes: list[str] = []
    required_scopes: list[str] = []
    missing_scopes: list[str] = []

    @property
    def scopes(self) -> list[str]:
        return [*self.required_granular_scopes, *self.required_scopes, *self.missing_scopes]


class _Detail(msgspec.Struct, frozen=True):
    context: _Context = _Context()


class _Refusal(msgspec.Struct, frozen=True, rename="camel"):
    policy_name: str = ""
    context: _Context = _Context()
    errors: list[_Detail] = []


def words(answer: Answer) -> str:
    """HubSpot's own words, with the scopes that a token lacks and the limit that was reached by name."""
    told = said(answer)
    try:
        refusal = msgspec.json.decode(answer.body, type=_Refusal)
    except msgspec.MsgspecError:
        return told
    if refusal.policy_name:
        return f"{told} ({refusal.policy_name})"
    scopes = [
        scope for context in (refusal.context, *(it.context for it in refusal.errors)) for scope in context.scopes
    ]
    return f"the token lacks the scope {' or '.join(dict.fromkeys(scopes))}" if scopes else told
