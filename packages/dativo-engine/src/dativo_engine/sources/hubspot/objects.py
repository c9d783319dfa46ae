"""What HubSpot keeps records of: one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class HubSpotObject:
    """A type of records.

    Attributes:
        name: in paths.
        modified: the property that says when a record was last changed; empty: there is no search by it, so that each
            run lists all records and compares.
    """

    name: str
    modified: str = "hs_lastmodifieddate"

    @property
    def path(self) -> str:
        """Where its list is."""
        return f"/crm/v3/{self.name}" if self.is_listed_only else f"/crm/v3/objects/{self.name}"

    @property
    def is_listed_only(self) -> bool:
        """Whether it has a list, and neither properties, search nor batch reads."""
        return not self.modified


OBJECTS: Mapping[str, HubSpotObject] = MappingProxyType(
    {
        it.name: it
        for it in (
            HubSpotObject("contacts", modified="lastmodifieddate"),
            HubSpotObject("companies"),
            HubSpotObject("deals"),
            HubSpotObject("tickets"),
            HubSpotObject("leads"),
            HubSpotObject("products"),
            HubSpotObject("line_items"),
            HubSpotObject("quotes"),
            HubSpotObject("orders"),
            HubSpotObject("carts"),
            HubSpotObject("invoices"),
            HubSpotObject("subscriptions"),
            HubSpotObject("commerce_payments"),
            HubSpotObject("discounts"),
            HubSpotObject("fees"),
            HubSpotObject("taxes"),
            HubSpotObject("feedback_submissions"),
            HubSpotObject("goal_targets"),
            HubSpotObject("users"),
            # Engagements: what people did with a contact.
            HubSpotObject("calls"),
            HubSpotObject("emails"),
            HubSpotObject("meetings"),
            HubSpotObject("notes"),
            HubSpotObject("tasks"),
            HubSpotObject("communications"),
            HubSpotObject("postal_mail"),
            HubSpotObject("owners", modified=""),
        )
    }
)


def find(name: str) -> HubSpotObject:
    """An object by its name; any other than those of the table is an account's own: `2-123456`, `p7890_cars`."""
    return OBJECTS.get(name) or HubSpotObject(name)
