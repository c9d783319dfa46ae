"""The double of `make bench-rest` serves what its report says."""

from __future__ import annotations

import json
import urllib.request

from tools.bench.rest_api import base_url, double


def test_the_events_feed_is_empty_and_tells_the_time() -> None:
    with double() as port, urllib.request.urlopen(f"{base_url(port, 300)}/v1/events?limit=1") as answer:
        assert json.load(answer)["data"] == []
        assert answer.headers["date"]


def test_a_list_has_as_many_customers_as_its_address_says_each_once() -> None:
    ids: list[str] = []
    with double() as port:
        following = ""
        while following is not None:
            after = f"&starting_after={following}" if following else ""
            with urllib.request.urlopen(f"{base_url(port, 300)}/v1/customers?limit=100{after}") as answer:
                page = json.load(answer)
            ids += [customer["id"] for customer in page["data"]]
            following = page["next"]
            assert page["has_more"] == (following is not None)
    assert len(set(ids)) == len(ids) == 300
