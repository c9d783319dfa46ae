"""HubSpot's CRM objects and owners as streams, with what was edited, archived, merged and purged since."""
