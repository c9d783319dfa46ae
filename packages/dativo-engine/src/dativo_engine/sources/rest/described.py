"""From the YAML that describes an API to the kit's values: who asks, where, and how lists are cut into pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dativo_engine.errors import FatalError
from dativo_engine.rest import (
    Auth,
    ByCursor,
    ByLastId,
    ByLinkHeader,
    ByNextUrl,
    ByOffset,
    ByPage,
    Paginator,
    Patience,
    Request,
    Service,
    SinglePage,
    anonymous,
    basic,
    bearer,
    header,
    query,
)
from dativo_engine.rest.oauth import client_credentials, refresh_token, service_account
from dativo_engine.sources.rest.spec import (
    CursorPages,
    Endpoint,
    LastIdPages,
    LinkHeaderPages,
    NextUrlPages,
    NumberedPages,
    OffsetPages,
    Pages,
    RestConnection,
    RestCredentials,
    RestOptions,
    Value,
)

if TYPE_CHECKING:
    from pydantic import SecretStr

    from dativo_engine.interfaces import SourceSettings


def options_of(settings: SourceSettings) -> RestOptions:
    """What the API has.

    Raises:
        FatalError: nothing says it.
    """
    if isinstance(settings.options, RestOptions):
        return settings.options
    message = "source.options.endpoints: is required and missing: the API's lists, stream -> endpoint"
    raise FatalError(message)


def service_of(settings: SourceSettings) -> Service:
    """The API that the settings describe.

    Raises:
        FatalError: nothing says where it is, or the credentials can't be used.
    """
    options = options_of(settings)
    if not isinstance(settings.connection, RestConnection):
        message = "source.connection.base_url: is required and missing: where the API is"
        raise FatalError(message)
    credentials = settings.credentials if isinstance(settings.credentials, RestCredentials) else RestCredentials()
    return Service(
        base_url=settings.connection.base_url,
        auth=auth_of(credentials),
        headers=options.headers,
        patience=Patience(read=options.timeout_seconds, tries=options.tries),
    )


def auth_of(told: RestCredentials) -> Auth:  # noqa: PLR0911 - one return a type
    """Who asks. The model has seen to it that what a type needs is there."""
    token = _text(told.token)
    url, client, scope = told.token_url or "", told.client_id or "", told.scope or ""
    match told.type:
        case "bearer":
            return bearer(token) if token else anonymous()
        case "basic":
            return basic(told.user or "", _text(told.password))
        case "header":
            return header(told.name or "", token)
        case "query":
            return query(told.name or "", token)
        case "client_credentials":
            secret = _text(told.client_secret)
            return client_credentials(url, client, secret, scope=scope, proves_in=told.client_auth)
        case "refresh_token":
            secret = _text(told.client_secret)
            return refresh_token(url, client, _text(told.refresh_token), client_secret=secret, scope=scope)
        case "service_account":
            return service_account(_text(told.service_account), scope=scope)
        case "none":
            return anonymous()


def request_of(endpoint: Endpoint, options: RestOptions, *, parent: str = "") -> Request:
    """The request for an endpoint's list, before its pages. `parent`: what stands for `{id}`."""
    path = endpoint.path.replace("{id}", parent) if endpoint.parent else endpoint.path
    params = {name: _param(value) for name, value in {**options.params, **endpoint.params}.items()}
    body = endpoint.body if endpoint.body is not None or endpoint.method == "GET" else {}
    return Request(path, params, endpoint.method, json=body, headers=endpoint.headers)


def paginator_of(endpoint: Endpoint, options: RestOptions) -> Paginator:  # noqa: PLR0911 - one return a type
    """How an endpoint's list is cut into pages."""
    told: Pages | None = endpoint.paginator or options.paginator
    match told:
        case CursorPages():
            return ByCursor(told.param, told.path, told.more_path, told.in_body)
        case LastIdPages():
            return ByLastId(told.param, told.field, told.more_path, told.in_body)
        case NextUrlPages():
            return ByNextUrl(told.path)
        case LinkHeaderPages():
            return ByLinkHeader(told.relation)
        case OffsetPages():
            return ByOffset(told.param, told.size_param, told.size, told.total_path, told.start, told.in_body)
        case NumberedPages():
            sized = (told.size_param, told.size)
            return ByPage(told.param, told.start, *sized, told.pages_path, told.total_path, told.in_body)
        case _:
            return SinglePage()


def _param(value: Value | list[Value]) -> str | Sequence[str]:
    return [_written(item) for item in value] if isinstance(value, list) else _written(value)


def _written(value: Value) -> str:
    """As APIs write it: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""
