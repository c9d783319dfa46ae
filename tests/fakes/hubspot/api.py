"""The fake itself: tokens, scopes and limits around the records. Stricter than the real API, never kinder."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import TypeAlias, cast
from urllib.parse import parse_qs, unquote

import msgspec

from tests.fakes.hubspot.answers import ApiError, Request, Response, invalid, missing_scopes
from tests.fakes.hubspot.limits import Limits
from tests.fakes.hubspot.portal import Json, Object, Owner, Portal, Record, Shelf, iso
from tests.fakes.hubspot.search import find, parse

Hook: TypeAlias = Callable[[Request], Response | None]

TOKEN = "pat-na1-fakefake-0123-4567-89ab-cdef01234567"
# Longer ones are refused on the way by some of the servers in front of the real API.
MAX_URL = 8_000
MAX_LIST, MAX_BATCH, MAX_ASSOCIATED, MAX_OWNERS = 100, 100, 1_000, 500
# Associated records of one record in an answer; the rest is asked for with `after`.
ASSOCIATION_PAGE = 500
TOKEN_SECONDS = 1_800
# The first one ends on 2027-02-16; HubSpot's client for Python still asks it.
TOKEN_PATHS = ("/oauth/v1/token", "/oauth/2026-03/token")


@dataclass(frozen=True, slots=True)
class App:
    """An OAuth app that an account installed."""

    client_id: str
    client_secret: str


@dataclass(slots=True)
class FakeHubSpot:
    """HubSpot with one account.

    Attributes:
        tokens: what each token is granted; None: everything.
        apps: OAuth refresh tokens, and the app each was given to.
        hooks: called with each request before it is answered; one that answers takes the answer's place. This is where
            a test changes records between two pages.
        requests: what was asked, without the token.
    """

    portal: Portal = field(default_factory=Portal)
    limits: Limits = field(default_factory=Limits)
    tokens: dict[str, frozenset[str] | None] = field(default_factory=lambda: {TOKEN: None})
    apps: dict[str, App] = field(default_factory=dict[str, App])
    expired: set[str] = field(default_factory=set[str])
    hooks: list[Hook] = field(default_factory=list[Hook])
    requests: list[Request] = field(default_factory=list[Request])
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def scoped_token(self, *scopes: str) -> str:
        """A new private-app token that is granted these scopes only."""
        token = f"pat-na1-scoped-{next(self._numbers):024d}"
        self.tokens[token] = frozenset(scopes)
        return token

    def answer(self, request: Request) -> Response:
        """The answer to a request."""
        kept = {name: value for name, value in request.headers.items() if name != "authorization"}
        self.requests.append(replace(request, headers=kept, body="" if "/oauth/" in request.path else request.body))
        for hook in self.hooks:
            if (instead := hook(request)) is not None:
                return self._dated(instead)
        headers: dict[str, str] = {}
        try:
            if request.path in TOKEN_PATHS:
                return self._dated(Response.of(self._new_token(request)))
            scopes = self._authenticate(request.headers.get("authorization", ""))
            headers = self.limits.take(search=request.path.endswith("/search"))
            status, value = self._answer(request, scopes)
            return self._dated(Response.of(value, status, headers))
        except ApiError as error:
            error.headers = {**headers, **(error.headers or {})}
            return self._dated(error.response())

    def _dated(self, response: Response) -> Response:
        date = formatdate(self.portal.now / 1000, usegmt=True)
        return replace(response, headers={"date": date, **response.headers})

    def _authenticate(self, header: str) -> frozenset[str] | None:
        scheme, _, token = header.partition(" ")
        if scheme == "Bearer" and token in self.expired:
            message = "The OAuth token used to make this call expired."
            raise ApiError(401, message, category="EXPIRED_AUTHENTICATION")
        if scheme != "Bearer" or token not in self.tokens:
            message = (
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
                "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
            )
            raise ApiError(401, message, category="INVALID_AUTHENTICATION")
        return self.tokens[token]

    def _new_token(self, request: Request) -> Object:
        form = {name: values[0] for name, values in parse_qs(request.body).items()}
        if request.method != "POST" or form.get("grant_type") != "refresh_token":
            raise ApiError(400, "missing or unknown grant type")
        refresh = form.get("refresh_token", "")
        if refresh not in self.apps:
            error = ApiError(400, "missing or invalid refresh token")
            error.body["status"] = "BAD_REFRESH_TOKEN"
            raise error
        if self.apps[refresh] != App(form.get("client_id", ""), form.get("client_secret", "")):
            error = ApiError(400, "missing or invalid client id or secret")
            error.body["status"] = "BAD_CLIENT_ID"
            raise error
        token = f"CFakeOAuthToken{next(self._numbers):024d}"
        self.tokens[token] = None
        return {
            "access_token": token, "refresh_token": refresh, "expires_in": TOKEN_SECONDS, "token_type": "bearer"
        }  # fmt: skip

    def _answer(self, request: Request, scopes: frozenset[str] | None) -> tuple[int, Json]:
        if len(request.path) + len(request.query) > MAX_URL:
            raise ApiError(414, "The request URI is too long", category="VALIDATION_ERROR")
        # A list may also come as a parameter for each of its names: so does HubSpot's client write it.
        params = {name: ",".join(values) for name, values in parse_qs(request.query, keep_blank_values=True).items()}
        path = [unquote(part) for part in request.path.strip("/").split("/")]
        match request.method, path:
            case "POST", ["crm", "v3", "objects", name, "batch", "read"]:
                return self._batch(self._allowed(name, scopes), params, _decoded(request.body))
            case "POST", ["crm", "v4", "associations", name, other, "batch", "read"]:
                return self._associated(name, self._allowed(name, scopes), other, _decoded(request.body))
            case "POST", ["crm", "v3", "objects", name, "search"]:
                value = self._search(self._allowed(name, scopes), request.body)
            case "GET", ["crm", "v3", "objects", name]:
                value = self._list(self._allowed(name, scopes), params)
            case "GET", ["crm", "v3", "properties", name]:
                value = _properties(self._allowed(name, scopes), params)
            case "GET", ["crm", "v3", "owners"]:
                _permit("crm.objects.owners.read", scopes)
                value = _owners(list(self.portal.owners.values()), params)
            case "GET", ["crm-object-schemas", "v3", "schemas"]:
                _permit("crm.schemas.custom.read", scopes)
                value = self._schemas(params)
            case _:
                raise ApiError(404, "resource not found", category="OBJECT_NOT_FOUND")
        return 200, value

    def _allowed(self, name: str, scopes: frozenset[str] | None) -> Shelf:
        shelf = self.portal.shelf(name)
        if shelf is None:
            raise invalid(f"Unable to infer object type from: {name}")
        _permit("crm.objects.custom.read" if name[:1] in "2p" and "_" in name else f"crm.objects.{name}.read", scopes)
        return shelf

    def _list(self, shelf: Shelf, params: Mapping[str, str]) -> Object:
        _only(params, "limit", "after", "properties", "archived")
        limit, after = _bounded(params, MAX_LIST, default=10), _number(params.get("after", "0"), "after")
        archived = _flag(params, "archived")
        names = _known([name for name in params.get("properties", "").split(",") if name], shelf)
        found = self.portal.page(shelf, archived=archived, after=after, limit=limit + 1)
        answer: Object = {"results": [_record(record, names) for record in found[:limit]]}
        if len(found) > limit:
            answer["paging"] = {"next": {"after": str(found[limit - 1].id), "link": "https://api.hubapi.com/fake"}}
        return answer

    def _search(self, shelf: Shelf, body: str) -> Object:
        request = parse(body)
        _known(request.properties, shelf)
        found, start = find(self.portal.searchable(shelf), shelf.properties, request), int(request.after)
        end = start + request.limit
        answer: Object = {
            "total": len(found), "results": [_record(record, request.properties) for record in found[start:end]]
        }  # fmt: skip
        if end < len(found):
            answer["paging"] = {"next": {"after": str(end)}}
        return answer

    def _batch(self, shelf: Shelf, params: Mapping[str, str], body: Object) -> tuple[int, Json]:
        _only(params, "archived")
        _only(body, "inputs", "properties", "propertiesWithHistory", "idProperty")
        archived = _flag(params, "archived")
        ids = _inputs(body, MAX_BATCH)
        names = _known(cast("list[str]", body.get("properties", [])), shelf)
        found = {record_id: self.portal.survivor(shelf, record_id) for record_id in ids}
        there = {
            record.id: record for record in found.values() if record and (record.archived_at is not None) is archived
        }
        missing: list[Json] = [str(sought) for sought, record in found.items() if not record or record.id not in there]
        answer: Object = {
            "status": "COMPLETE",
            # A record that was asked for by two ids comes once, and in no promised order.
            "results": [_record(record, names) for record in reversed(there.values())],
            **self._times(),
        }
        if not missing:
            return 200, answer
        message = "Could not get some objects, they may be deleted or not exist. Check that ids are valid."
        error: Object = {
            "status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": missing},
            "errors": [], "links": {},
        }  # fmt: skip
        return 207, {**answer, "numErrors": 1, "errors": [error]}

    def _times(self) -> Object:
        return {"startedAt": iso(self.portal.now), "completedAt": iso(self.portal.now)}

    def _associated(self, name: str, shelf: Shelf, other: str, body: Object) -> tuple[int, Json]:
        if self.portal.shelf(other) is None:
            raise invalid(f"Unable to infer object type from: {other}")
        _only(body, "inputs")
        inputs = cast("list[dict[str, str]]", body.get("inputs", []))
        results: list[Json] = []
        missing: list[Json] = []
        for entry, record_id in zip(inputs, _inputs(body, MAX_ASSOCIATED), strict=True):
            everyone = self.portal.associations.get((name, record_id, other), [])
            start = _number(entry.get("after", "0"), "after")
            if not everyone or record_id not in shelf.records:
                missing.append(str(record_id))
                continue
            kinds: list[Json] = [{"category": "HUBSPOT_DEFINED", "typeId": 1}]
            some = everyone[start : start + ASSOCIATION_PAGE]
            to: list[Json] = [{"toObjectId": str(it), "associationTypes": kinds} for it in some]
            result: Object = {"from": {"id": str(record_id)}, "to": to}
            if start + ASSOCIATION_PAGE < len(everyone):
                result["paging"] = {"next": {"after": str(start + ASSOCIATION_PAGE), "link": "?after"}}
            results.append(result)
        answer: Object = {"status": "COMPLETE", "results": results, **self._times()}
        if not missing:
            return 200, answer
        errors: list[Json] = [
            {
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "message": f"No {other} is associated with {name} {it}.",
                "context": {"fromObjectId": [it]},
                "errors": [],
                "links": {},
            }
            for it in missing
        ]
        return 207, {**answer, "numErrors": len(errors), "errors": errors}

    def _schemas(self, params: Mapping[str, str]) -> Object:
        _only(params, "archived")
        found: list[Json] = [
            {
                "id": type_id.partition("-")[2], "objectTypeId": type_id, "name": name,
                "fullyQualifiedName": f"p123_{name}", "labels": {"singular": name, "plural": f"{name}s"},
                "requiredProperties": [], "associations": [], "archived": False,
                "properties": _properties(self.portal.shelves[type_id], {})["results"],
            }
            for type_id, name in self.portal.schemas.items()
        ]  # fmt: skip
        return {"results": found}


def _known(names: Sequence[str], shelf: Shelf) -> Sequence[str]:
    """The names, all of them the shelf's. Of others the real one says nothing, and leaves them out."""
    if unknown := set(names) - shelf.properties.keys():
        raise invalid(f"Property {min(unknown)!r} does not exist", min(unknown))
    return names


def _record(record: Record, names: Sequence[str]) -> Object:
    told: Object = {name: record.value(name) for name in dict.fromkeys([*names, "hs_object_id"])}
    answer: Object = {
        "id": str(record.id),
        "properties": told,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.updated),
        "archived": record.archived_at is not None,
    }
    if record.archived_at is not None:
        answer["archivedAt"] = iso(record.archived_at)
    return answer


def _properties(shelf: Shelf, params: Mapping[str, str]) -> Object:
    _only(params, "archived", "dataSensitivity")
    found: list[Json] = [
        {
            "name": name, "label": name, "type": kind, "fieldType": "text", "description": "", "groupName": "fake",
            "options": [], "hidden": False, "archived": False, "hubspotDefined": True,
        }
        for name, kind in shelf.properties.items()
    ]  # fmt: skip
    return {"results": found}


def _owners(owners: Sequence[Owner], params: Mapping[str, str]) -> Object:
    _only(params, "limit", "after", "archived", "email")
    limit, after = _bounded(params, MAX_OWNERS, default=100), _number(params.get("after", "0"), "after")
    archived = _flag(params, "archived")
    found = sorted((it for it in owners if it.archived is archived and it.id > after), key=lambda it: it.id)
    answer: Object = {
        "results": [
            {
                "id": str(it.id), "email": it.email, "firstName": it.first_name, "lastName": it.last_name,
                "userId": it.id + 7, "type": "PERSON", "archived": it.archived, "teams": [],
                "createdAt": iso(it.updated), "updatedAt": iso(it.updated),
            }
            for it in found[:limit]
        ]
    }  # fmt: skip
    if len(found) > limit:
        answer["paging"] = {"next": {"after": str(found[limit - 1].id), "link": "https://api.hubapi.com/fake"}}
    return answer


def _permit(scope: str, scopes: frozenset[str] | None) -> None:
    if scopes is not None and scope not in scopes:
        raise missing_scopes(scope)


def _only(given: Mapping[str, object], *known: str) -> None:
    if unknown := set(given) - set(known):
        raise invalid(f"Unknown parameters or fields: {', '.join(sorted(unknown))}")


def _decoded(body: str) -> Object:
    try:
        return msgspec.json.decode(body, type=dict[str, object])  # pyright: ignore[reportReturnType]
    except msgspec.MsgspecError as error:
        raise invalid(f"Invalid input JSON: {error}") from error


def _inputs(body: Object, most: int) -> list[int]:
    inputs = cast("list[dict[str, str]]", body.get("inputs", []))
    if not 1 <= len(inputs) <= most:
        raise invalid(f"There are {len(inputs)} inputs; between 1 and {most} are allowed")
    if len({entry["id"] for entry in inputs}) < len(inputs):
        raise invalid("Duplicate ids found in the inputs")
    return [_number(entry["id"], "id") for entry in inputs]


def _bounded(params: Mapping[str, str], most: int, *, default: int) -> int:
    limit = _number(params.get("limit", str(default)), "limit")
    if not 1 <= limit <= most:
        raise invalid(f"limit {limit} is not between 1 and {most}")
    return limit


def _flag(params: Mapping[str, str], name: str) -> bool:
    value = params.get(name, "false").lower()
    if value not in ("true", "false"):
        raise invalid(f"{name} is neither true nor false: {value!r}")
    return value == "true"


def _number(written: str, name: str) -> int:
    if not written.isdigit():
        raise invalid(f"{name} is no number: {written!r}")
    return int(written)
