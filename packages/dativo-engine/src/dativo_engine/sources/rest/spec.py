"""What the REST connector takes and can do: an API's address, who asks, and one entry for each list that it has."""

from __future__ import annotations

import string
from typing import Annotated, Literal, Self, TypeAlias

from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.job import Model
from pydantic import Field, JsonValue, SecretStr, model_validator

Value: TypeAlias = str | int | float | bool


class NoPages(Model):
    """The whole list comes in one answer."""

    type: Literal["none"] = Field(description="The whole list comes in one answer.")


class CursorPages(Model):
    """The answer holds a token for the next page."""

    type: Literal["cursor"] = Field(description="The answer holds a token for the next page.")
    param: str = Field(description="The parameter that takes the token.")
    path: str = Field(description="Where the answer holds the token, as keys with dots between them.")
    more_path: str = Field(default="", description="Where the answer says whether there are more pages.")
    in_body: bool = Field(default=False, description="Whether the parameter is a field of the JSON body.")


class LastIdPages(Model):
    """The next page begins after the last record of this one."""

    type: Literal["last_id"] = Field(description="The next page begins after the last record of this one.")
    param: str = Field(description="The parameter that takes the last record's id.")
    field: str = Field(default="id", description="The record's field that is its id.")
    more_path: str = Field(
        default="", description="Where the answer says whether there are more pages; default: until a page is empty."
    )
    in_body: bool = Field(default=False, description="Whether the parameter is a field of the JSON body.")


class NextUrlPages(Model):
    """The answer holds the next page's URL."""

    type: Literal["next_url"] = Field(description="The answer holds the next page's URL.")
    path: str = Field(description="Where the answer holds it, as keys with dots between them.")


class LinkHeaderPages(Model):
    """The `Link` header holds the next page's URL, as GitHub's does."""

    type: Literal["link_header"] = Field(description="The `Link` header holds the next page's URL.")
    relation: str = Field(default="next", description="The link's `rel`.")


class OffsetPages(Model):
    """Pages are asked for by the number of records before them."""

    type: Literal["offset"] = Field(description="Pages are asked for by the number of records before them.")
    param: str = Field(default="offset", description="The parameter that takes the number.")
    size_param: str = Field(default="limit", description="The parameter that takes the page's size; empty: none does.")
    size: int = Field(default=100, ge=1, description="Records in a page.")
    start: int = Field(default=0, ge=0, description="The first record's number.")
    total_path: str = Field(
        default="",
        description="Where the answer says how many records there are; then pages are read at the same time.",
    )
    in_body: bool = Field(default=False, description="Whether the parameters are fields of the JSON body.")


class NumberedPages(Model):
    """Pages are numbered."""

    type: Literal["page"] = Field(description="Pages are numbered.")
    param: str = Field(default="page", description="The parameter that takes the number.")
    start: int = Field(default=1, ge=0, description="The first page's number.")
    size_param: str = Field(default="", description="The parameter that takes the page's size; empty: none does.")
    size: int | None = Field(default=None, ge=1, description="Records in a page; default: the API's own choice.")
    pages_path: str = Field(
        default="", description="Where the answer says how many pages there are; then they are read at the same time."
    )
    total_path: str = Field(
        default="", description="Where the answer says how many records there are; serves the same."
    )
    in_body: bool = Field(default=False, description="Whether the parameters are fields of the JSON body.")


Pages: TypeAlias = Annotated[
    NoPages | CursorPages | LastIdPages | NextUrlPages | LinkHeaderPages | OffsetPages | NumberedPages,
    Field(discriminator="type"),
]


class CursorParam(Model):
    """How the API is told to give only what changed since `cursor_field`'s last value."""

    param: str = Field(description="The parameter that takes the last value.")
    format: str = Field(
        default="iso",
        min_length=1,
        description="How a time is written: `iso`, `epoch` (seconds), `epoch_ms`, or a strftime pattern in UTC.",
    )
    start: Value | None = Field(default=None, description="What the first run sends; default: nothing.")
    in_body: bool = Field(default=False, description="Whether the parameter is a field of the JSON body.")


class Parent(Model):
    """The endpoint whose records each have a list of their own at this one."""

    endpoint: str = Field(description="The other endpoint's name.")
    field: str = Field(default="id", description="The parent's field that stands for `{id}` in the path.")
    include: dict[str, str] = Field(
        default={}, description="Columns that each record gets from its parent: column -> the parent's field."
    )
    skip_missing: bool = Field(
        default=False, description="Whether a parent without list (404, 410) is passed over; default: it is an error."
    )


class Endpoint(Model):
    """One list of the API, the stream of the same name."""

    path: str = Field(description="Below `base_url`; `{id}` stands for the parent's field.")
    method: Literal["GET", "POST"] = Field(default="GET", description="POST for lists that are asked for by a search.")
    params: dict[str, Value | list[Value]] = Field(default={}, description="Query parameters of every request.")
    headers: dict[str, str] = Field(default={}, description="Headers of every request.")
    body: dict[str, JsonValue] | None = Field(default=None, description="The JSON body of a POST.")
    records_path: str | None = Field(
        default=None,
        description="Where the answer holds the list of records, as keys with dots between them; empty: the answer "
        "is the list; default: as `options.records_path` says.",
    )
    paginator: Pages | None = Field(default=None, description="How the list is cut into pages.")
    primary_key: list[str] = Field(default=[], description="What `discover` proposes as the contract's primary key.")
    cursor: CursorParam | None = Field(
        default=None, description="How only what changed is asked for; default: the whole list is read and compared."
    )
    parent: Parent | None = Field(default=None, description="Whose records each have such a list.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = {name for _, name, _, _ in string.Formatter().parse(self.path) if name is not None}
        if names - ({"id"} if self.parent else set()):
            raise ValueError("path: only {id} can stand in it, for a field of the parent")
        if self.parent and "id" not in names:
            raise ValueError("path: an endpoint with a parent has {id} in its path")
        if self.body is not None and self.method == "GET":
            raise ValueError("body: a GET has none; write method: POST")
        return self


class RestOptions(Model):
    """What the API has."""

    endpoints: dict[str, Endpoint] = Field(min_length=1, description="Its lists, stream -> endpoint.")
    headers: dict[str, str] = Field(default={}, description="Headers of every request: a version, an account.")
    params: dict[str, Value | list[Value]] = Field(default={}, description="Query parameters of every request.")
    paginator: Pages | None = Field(
        default=None, description="How lists are cut into pages, for endpoints that do not say; default: they are not."
    )
    records_path: str | None = Field(default=None, description="Where records are, for endpoints that do not say.")
    concurrency: int = Field(
        default=4, ge=1, le=32, description="Requests under way at once, where the API's pages allow it."
    )
    timeout_seconds: float = Field(default=60, gt=0, description="The longest silence of the server.")
    tries: int = Field(default=5, ge=1, le=20, description="How often a request is tried in all.")

    @model_validator(mode="after")
    def _parents_exist(self) -> Self:
        for name, endpoint in self.endpoints.items():
            seen = {name}
            at = endpoint
            while at.parent is not None:
                above = at.parent.endpoint
                if above not in self.endpoints:
                    raise ValueError(f"endpoints.{name}.parent.endpoint: there is no endpoint {above!r}")
                if above in seen:
                    raise ValueError(f"endpoints.{name}.parent: {above!r} is its own ancestor")
                seen.add(above)
                at = self.endpoints[above]
        return self


class RestConnection(Model):
    """Where the API is."""

    base_url: str = Field(
        pattern=r"^(https?://|\$\{)",
        description="What the endpoints' paths stand below, such as https://api.example.com/v1.",
    )


class RestCredentials(Model):
    """Who asks. `type` decides which of the fields are needed."""

    type: Literal[
        "bearer", "basic", "header", "query", "client_credentials", "refresh_token", "service_account", "none"
    ] = Field(default="bearer", description="How requests say who asks.")
    token: SecretStr | None = Field(default=None, description="bearer, header, query: the token or key.")
    name: str | None = Field(default=None, description="header, query: the header's or parameter's name.")
    user: str | None = Field(default=None, description="basic: the user.")
    password: SecretStr | None = Field(default=None, description="basic: the password; may be left out.")
    token_url: str | None = Field(default=None, description="client_credentials, refresh_token: where tokens are got.")
    client_id: str | None = Field(default=None, description="client_credentials, refresh_token: the client.")
    client_secret: SecretStr | None = Field(default=None, description="What proves it is that client.")
    client_auth: Literal["form", "header"] = Field(
        default="form", description="client_credentials: whether the client proves itself in the form or by basic auth."
    )
    refresh_token: SecretStr | None = Field(default=None, description="refresh_token: the token that gets others.")
    scope: str | None = Field(default=None, description="OAuth2 scopes, with blanks between them.")
    service_account: SecretStr | None = Field(
        default=None, description="service_account: the key file's JSON, as Google hands it out."
    )

    @model_validator(mode="after")
    def _are_complete(self) -> Self:
        needed = {
            "bearer": ("token",),
            "basic": ("user",),
            "header": ("name", "token"),
            "query": ("name", "token"),
            "client_credentials": ("token_url", "client_id", "client_secret"),
            "refresh_token": ("token_url", "client_id", "refresh_token"),
            "service_account": ("service_account", "scope"),
            "none": (),
        }
        missing = [name for name in needed[self.type] if getattr(self, name) is None]
        # An API without credentials needs no block at all.
        if missing and (self.model_fields_set or self.type != "bearer"):
            raise ValueError(f"type: {self.type} needs {' and '.join(missing)}")
        return self


SPEC = ConnectorSpec(
    name="rest",
    summary="Any JSON API over HTTP, described in YAML: endpoints, pages, credentials",
    category="apis",
    options=RestOptions,
    credentials=RestCredentials,
    connection=RestConnection,
    inputs="objects",
    incremental_strategies=("cursor_field",),
    cursor_field=("cursor_field",),
    capabilities=("malformed_records", "remote"),
)
