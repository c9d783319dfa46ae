"""Stripe's lists as streams, with what its events feed tells of changes and deletions."""
