"""The fake itself: keys, accounts and rates around the lists. Stricter than the real API, never kinder."""

from __future__ import annotations

import base64
import copy
import itertools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TypeAlias, cast
from urllib.parse import unquote

from tests.fakes.stripe.account import Account, Clock
from tests.fakes.stripe.answers import ApiError, Request, Response, invalid, missing, pretty
from tests.fakes.stripe.form import parse_form, typed
from tests.fakes.stripe.lists import keeps, page, paging, sublist_page
from tests.fakes.stripe.resources import EVENTS, RESOURCES, Json, Object, Resource

Hook: TypeAlias = Callable[[Request], Response | None]

TEST_KEY = "sk_test_51FakeFakeFakeFake0123456789"
LIVE_KEY = "sk_live_51FakeFakeFakeFake9876543210"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
_SUBSCRIPTION_ITEMS = Resource("si", "subscription_item", "subscription", filters=("!subscription",), by_created=False)
_SUBLIST = Resource("", "line_item", "invoice", by_created=False)


@dataclass(frozen=True, slots=True)
class Key:
    """What an API key may do. `permissions`: of a restricted key; None: everything."""

    livemode: bool = False
    permissions: frozenset[str] | None = None


@dataclass(slots=True)
class FakeStripe:
    """Stripe with an account in test mode, the same in live mode, and accounts connected to it.

    Attributes:
        hooks: called with each request before it is answered; one that answers takes the answer's place. This is where
            a test changes objects between two pages.
        requests: what was asked, without the key.
        rate: how many requests it takes in a second; None: any number.
        retry_after: what the answer to one too many says of when to come again; empty: nothing.
    """

    clock: Clock = field(default_factory=Clock)
    keys: dict[str, Key] = field(default_factory=lambda: {TEST_KEY: Key(), LIVE_KEY: Key(livemode=True)})
    hooks: list[Hook] = field(default_factory=list[Hook])
    requests: list[Request] = field(default_factory=list[Request])
    rate: int | None = None
    retry_after: str = ""
    accounts: dict[tuple[str, bool], Account] = field(default_factory=dict[tuple[str, bool], Account])
    _seconds: dict[int, int] = field(default_factory=dict[int, int])
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def account(self, account_id: str = "acct_1Fake", *, livemode: bool = False) -> Account:
        """An account, connected by asking for it."""
        if (account_id, livemode) not in self.accounts:
            self.accounts[account_id, livemode] = Account(account_id, self.clock, livemode=livemode)
        return self.accounts[account_id, livemode]

    def restricted_key(self, *permissions: str, livemode: bool = False) -> str:
        """A new key that may only read what it is permitted: `customer`, `event`."""
        key = f"rk_{'live' if livemode else 'test'}_51Fake{next(self._numbers):024d}"
        self.keys[key] = Key(livemode, frozenset(permissions))
        return key

    def answer(self, request: Request) -> Response:
        """The answer to a request."""
        self.requests.append(_without_key(request))
        for hook in self.hooks:
            if (instead := hook(request)) is not None:
                return self._stamped(instead, request)
        try:
            self._limit_rate()
            return self._stamped(Response(200, pretty(self._answer(request))), request)
        except ApiError as error:
            return self._stamped(error.response(), request)

    def _answer(self, request: Request) -> Json:
        self._refuse_version(request.headers.get("stripe-version", ""))
        key, name = self._authenticate(request.headers.get("authorization", ""))
        account = self._account_of(request, key, name)
        account.forget_old_events()
        version, *path = [unquote(part) for part in request.path.strip("/").split("/")]
        if version != "v1" or not path:
            raise _unrecognized(request)
        params = parse_form(request.query)
        match request.method, path:
            case "GET", ["subscription_items"]:
                self._permit(key, name, account, _SUBSCRIPTION_ITEMS)
                paging(_SUBSCRIPTION_ITEMS, params)  # refuses what does not belong there
                return _children(account, "subscriptions", str(params.pop("subscription")), params, request.path)
            case "GET", [collection, item_id, "lines"] if collection == "invoices":
                self._permit(key, name, account, RESOURCES[collection])
                return _children(account, collection, item_id, params, request.path)
            case "GET", ["events", *rest]:
                self._permit(key, name, account, EVENTS)
                return _read(account, "events", EVENTS, rest, params, request)
            case "GET", [collection, *rest] if collection in RESOURCES:
                self._permit(key, name, account, RESOURCES[collection])
                return _read(account, collection, RESOURCES[collection], rest, params, request)
            case "POST" | "DELETE", [collection, *rest] if collection in RESOURCES and len(rest) < 2:
                self._permit(key, name, account, RESOURCES[collection], "write")
                return _write(account, collection, rest, request)
            case _:
                raise _unrecognized(request)

    def _authenticate(self, header: str) -> tuple[Key, str]:
        scheme, _, credentials = header.partition(" ")
        if scheme == "Basic":
            credentials = base64.b64decode(credentials).decode().partition(":")[0]
        challenge = {"www-authenticate": 'Basic realm="Stripe"'}
        if scheme not in ("Basic", "Bearer") or not credentials:
            message = (
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
            )
            raise ApiError(401, message, headers=challenge)
        if credentials not in self.keys:
            raise ApiError(401, f"Invalid API Key provided: {_masked(credentials)}", headers=challenge)
        return self.keys[credentials], credentials

    def _account_of(self, request: Request, key: Key, name: str) -> Account:
        connected = request.headers.get("stripe-account")
        if connected is None:
            return self.account(livemode=key.livemode)
        if (connected, key.livemode) not in self.accounts:
            message = (
                f"The provided key '{_masked(name)}' does not have access to account '{connected}' (or that account "
                "does not exist). Application access may have been revoked."
            )
            raise ApiError(403, message, code="account_invalid")
        return self.accounts[connected, key.livemode]

    def _permit(self, key: Key, name: str, account: Account, resource: Resource, what: str = "read") -> None:
        if key.permissions is not None and (what == "write" or resource.permission not in key.permissions):
            message = (
                f"The provided key '{_masked(name)}' does not have the required permissions for this endpoint on "
                f"account '{account.id}'. Having the 'rak_{resource.permission}_{what}' permission would allow this "
                "request to continue."
            )
            raise ApiError(403, message)

    def _refuse_version(self, version: str) -> None:
        if not _VERSION.fullmatch(version):
            raise invalid(f"Invalid Stripe API version: {version}")

    def _limit_rate(self) -> None:
        second = int(time.monotonic())
        self._seconds = {second: self._seconds.get(second, 0) + 1}
        if self.rate is not None and self._seconds[second] > self.rate:
            headers = {"stripe-rate-limited-reason": "global-rate", "stripe-should-retry": "true"}
            if self.retry_after:
                headers["retry-after"] = self.retry_after
            message = (
                "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."
            )
            raise ApiError(429, message, headers=headers, code="rate_limit")

    def _stamped(self, response: Response, request: Request) -> Response:
        headers = {
            "content-type": "application/json",
            "date": formatdate(self.clock.now, usegmt=True),
            "request-id": f"req_{next(self._numbers):014d}",
            "stripe-version": request.headers.get("stripe-version", ""),
        }
        return Response(response.status, response.body, headers | dict(response.headers))


def _read(account: Account, name: str, resource: Resource, rest: list[str], params: Object, request: Request) -> Object:
    """A page of a list, or one object."""
    shelf = account.events if name == "events" else account.shelves[name]
    shown = (lambda item: item) if name == "events" else (lambda item: account.shown(name, item))
    expand = cast("list[str]", params.get("expand", []))
    if not rest:
        found, more = page(resource, shelf, paging(resource, params), keeps(resource, params))
        data = [_expanded(account, resource, shown(item), expand, "data.") for item in found]
        return {"object": "list", "data": cast("Json", data), "has_more": more, "url": f"/v1/{name}"}
    if len(rest) > 1:
        raise _unrecognized(request)
    if unknown := [param for param in params if param != "expand"]:
        raise invalid(f"Received unknown parameter: {unknown[0]}", unknown[0], "parameter_unknown")
    if rest[0] in shelf.objects:
        return _expanded(account, resource, shown(shelf.objects[rest[0]]), expand, "")
    if resource.deleted == "stub" and account.deleted.get(rest[0]) == name:
        return {"id": rest[0], "object": resource.object, "deleted": True}
    raise missing(resource.object, rest[0])


def _expanded(account: Account, resource: Resource, item: Object, expand: list[str], prefix: str) -> Object:
    """The object with ids replaced by what they name."""
    if not expand:
        return item
    item = copy.copy(item)
    for path in expand:
        name = path.removeprefix(prefix)
        if not path.startswith(prefix) or name not in resource.expandable:
            raise invalid(f"This property cannot be expanded ({path}).", "expand")
        shelf = account.shelves[resource.expandable[name]]
        item[name] = shelf.objects.get(str(item[name]), item[name])
    return item


def _children(account: Account, name: str, item_id: str, params: Object, url: str) -> Object:
    """A page of the list inside an object."""
    resource = RESOURCES[name]
    if item_id not in account.shelves[name].objects:
        raise missing(resource.object, item_id)
    children = cast("list[Object]", account.shelves[name].objects[item_id][resource.sublist])
    found, more = sublist_page(_SUBLIST, children, params)
    return {"object": "list", "data": cast("Json", found), "has_more": more, "url": url}


def _write(account: Account, name: str, rest: list[str], request: Request) -> Object:
    """Create, change or delete an object."""
    resource, shelf = RESOURCES[name], account.shelves[name]
    if rest and rest[0] not in shelf.objects:
        raise missing(resource.object, rest[0])
    if request.method == "DELETE":
        if not rest or not resource.deleted:
            raise _unrecognized(request)
        return account.delete(name, rest[0])
    given = parse_form(request.body)
    fields: Mapping[str, Json] = {**resource.shape, "metadata": {}}
    for param in given:
        if param not in fields:
            raise invalid(f"Received unknown parameter: {param}", param, "parameter_unknown")
    values = {param: typed(value, fields[param]) for param, value in given.items()}
    return account.edit(name, rest[0], values) if rest else account.create(name, values)


def _unrecognized(request: Request) -> ApiError:
    message = f"Unrecognized request URL ({request.method}: {request.path}). See https://stripe.com/docs."
    return ApiError(404, message)


def _without_key(request: Request) -> Request:
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    return Request(request.method, request.path, request.query, headers, request.body)


def _masked(key: str) -> str:
    """A key as Stripe shows it in errors."""
    return f"{key[:8]}{'*' * max(len(key) - 12, 0)}{key[-4:]}"
