"""What the HubSpot connector takes and can do."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.job import Model
from pydantic import BaseModel, Field, SecretStr, StringConstraints, model_validator

from dativo_engine.sources.hubspot.objects import OBJECTS

MODIFIED = "modified"

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class HubSpotOptions(Model):
    """What is read of each record, and how HubSpot is asked."""

    properties: Literal["contract", "all"] | list[Name] = Field(
        default="contract",
        description="Which properties are read: those that the contract names, `all` that there are, or a list.",
    )
    associations: list[Name] = Field(
        default=[],
        description="Types of records (`companies`) whose associated ids become a column, `associated_companies`.",
    )
    reconcile_days: float = Field(
        default=7,
        ge=0,
        description="How often the ids of all records are listed, to find those that were deleted for good (GDPR), of "
        "which nothing else tells; 0: never.",
    )
    page_size: int = Field(
        default=100, ge=1, le=100, description="Records in one answer; fewer where they are large, such as emails."
    )
    base_url: str = Field(
        default="https://api.hubapi.com", description="Where the API is: a proxy, or a double for tests."
    )


class HubSpotCredentials(Model):
    """Who asks: a private app by its token, or an OAuth app by the refresh token that an account gave it."""

    access_token: SecretStr | None = Field(default=None, description="The access token of a private app.")
    client_id: str | None = Field(default=None, description="The OAuth app.")
    client_secret: SecretStr | None = Field(default=None, description="The OAuth app's secret.")
    refresh_token: SecretStr | None = Field(
        default=None, description="What the account gave the OAuth app when it was installed."
    )

    @model_validator(mode="after")
    def _are_one_app(self) -> Self:
        oauth = {name: getattr(self, name) for name in ("client_id", "client_secret", "refresh_token")}
        missing = [name for name, value in oauth.items() if value is None]
        if self.access_token is None and len(missing) == len(oauth):
            raise ValueError(f"needs access_token (a private app), or {', '.join(oauth)} (an OAuth app)")
        if self.access_token is None and missing:
            raise ValueError(f"needs {' and '.join(missing)} too: an OAuth app has {', '.join(oauth)}")
        if self.access_token is not None and len(missing) < len(oauth):
            raise ValueError("has both an access_token (a private app) and an OAuth app; keep one")
        return self


def describe(options: BaseModel | None, credentials: BaseModel | None) -> tuple[str, ...]:
    """As whom a job reads, and how often it looks for what was deleted for good."""
    chosen = options if isinstance(options, HubSpotOptions) else HubSpotOptions()
    days = chosen.reconcile_days
    told = [f"ids compared every {days:g} days" if days else "ids never compared: what is deleted for good stays"]
    if isinstance(credentials, HubSpotCredentials):
        told.append("private app" if credentials.access_token is not None else f"OAuth app {credentials.client_id}")
    return tuple(told)


SPEC = ConnectorSpec(
    name="hubspot",
    summary="HubSpot: contacts, companies, deals, tickets, engagements, owners, custom and all other CRM objects",
    category="api",
    options=HubSpotOptions,
    credentials=HubSpotCredentials,
    inputs="objects",
    incremental_strategies=(MODIFIED,),
    revising_strategies=(MODIFIED,),
    incremental_notes={
        MODIFIED: "records that were changed, archived, restored or merged since the last run; every few days also "
        "those that were deleted for good"
    },
    describe=describe,
    reports_deletes=True,
    capabilities=("remote",),
    natural_key=dict.fromkeys(OBJECTS, ("id",)),
    environment={"HUBSPOT_API_KEY": "access_token", "HUBSPOT_ACCESS_TOKEN": "access_token"},
)
