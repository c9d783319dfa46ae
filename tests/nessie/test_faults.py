"""What the network, Nessie and S3 can do wrong to a run, at each of its requests: the next run makes it right."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from lake import Lake

from tests.chaos.proxy import FAULTS, Trouble, proxy

# `make test-nessie` sets it: then each request gets each fault in turn.
EVERY = bool(os.environ.get("DATIVO_KILLS"))
SHORT = 8
MOST_RUNS = 4
Note = Callable[[str, object], None]


@pytest.mark.timeout(3600 if EVERY else 600)
def test_a_fault_at_any_request_of_a_run_and_a_run_after_it_give_the_right_table(
    lake: Lake, record_property: Note
) -> None:
    trouble = Trouble()
    with proxy(lake.uri, trouble) as lake.uri, proxy(lake.endpoint, trouble) as lake.endpoint:
        config = lake.job(lake.acme, mode="merge")
        lake.arrive(lake.acme, [(0, "first"), (1, "first")])
        lake.run(config)
        trouble.begin()
        lake.arrive(lake.acme, [(1, "second")])
        lake.run(config)
        requests = trouble.requests
        expected = {0: "first", 1: "second"}
        turns = range(1, requests + 1) if EVERY else range(1, requests + 1, max(requests // SHORT, 1))
        for number, at in enumerate(turns, 2):
            for fault in FAULTS if EVERY else (FAULTS[number % len(FAULTS)],):
                expected |= {0: f"{at} {fault}", number: fault}
                lake.arrive(lake.acme, [(0, f"{at} {fault}"), (number, fault)])
                trouble.begin(fault, at=at)
                codes = [lake.dativo("run", "--config", config).exit_code]
                met = trouble.met
                while codes[-1] != 0 and len(codes) < MOST_RUNS:
                    trouble.begin()
                    codes.append(lake.dativo("run", "--config", config).exit_code)
                told = f"{fault} at request {at} of {requests}, {met}: exit codes {codes}"
                assert codes[-1] == 0, told
                assert len(codes) <= 2, told
                assert lake.rows(lake.acme, lake.acme) == sorted(expected.items()), told
                record_property("faults", f"{fault}|{met.partition('?')[0]}|{codes}")
    trouble.begin()
    assert lake.run_branches(lake.acme) == []


def test_a_run_branch_that_can_t_be_deleted_fails_no_run_and_the_next_run_deletes_it(lake: Lake) -> None:
    trouble = Trouble()
    with proxy(lake.uri, trouble) as lake.uri:
        config = lake.job(lake.acme)
        lake.arrive(lake.acme, [(1, "a")])
        trouble.begin("503", every=f"DELETE /api/v2/trees/{lake.acme}__run__")
        told = lake.run(config).events
        [kept] = lake.run_branches(lake.acme)
        assert [event["branch"] for event in told if event["event_type"] == "run_branch_kept"] == [kept]
        assert lake.rows(lake.acme, lake.acme) == [(1, "a")]
        trouble.begin()
        lake.run(config)
    assert (lake.rows(lake.acme, lake.acme), lake.run_branches(lake.acme)) == ([(1, "a")], [])
