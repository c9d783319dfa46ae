"""What the network, Nessie and S3 can do wrong to a run, at each of its requests: the next run makes it right."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import pytest
from lake import Lake

from tests.chaos.proxy import FAULTS, Fault, Trouble, proxy

# `make test-nessie` sets it: then each request gets each fault in turn.
EVERY = bool(os.environ.get("DATIVO_KILLS"))
SHORT = 8
# So that several processes have some of it each, and no table grows to hundreds of files, which every run then reads.
SHARES = 16 if EVERY else 1
# The beginnings of requests of each kind. Clients wait for half a minute and longer.
NEVER = [
    "POST /api/v2/trees/.*/history/merge",
    "POST /iceberg/v1/.*/tables/",
    "GET /iceberg/v1/.*/tables/",
    "PUT /.*\\.parquet",
    "POST /api/v2/trees\\?",
    "DELETE /api/v2/trees/",
]
MOST_RUNS = 4
Note = Callable[[str, object], None]


@pytest.mark.timeout(3600 if EVERY else 600)
@pytest.mark.parametrize("mode", ["merge", "append"])
@pytest.mark.parametrize("share", range(SHARES))
def test_a_fault_at_any_request_of_a_run_and_a_run_after_it_give_the_right_table(
    lake: Lake, mode: str, share: int, record_property: Note
) -> None:
    trouble = Trouble()
    with proxy(lake.uri, trouble) as lake.uri, proxy(lake.endpoint, trouble) as lake.endpoint:
        config = lake.job(lake.acme, mode=mode)
        lake.arrive(lake.acme, [(0, "first"), (1, "first")])
        lake.run(config)
        trouble.begin()
        expected = {0: "first", 1: "first"} | arrive(lake, 2, "second", mode)
        lake.run(config)
        requests = trouble.requests
        turns = range(1, requests + 1) if EVERY else range(1, requests + 1, max(requests // SHORT, 1))
        faults: list[tuple[int, Fault]] = [(at, fault) for number, at in enumerate(turns) for fault in chosen(number)]
        for number, (at, fault) in enumerate(faults[share::SHARES], 3):
            expected |= arrive(lake, number, f"{at} {fault}", mode)
            trouble.begin(fault, at=at)
            codes = [lake.forked(config)]
            met = trouble.met
            while codes[-1] != 0 and len(codes) < MOST_RUNS:
                trouble.begin()
                codes.append(lake.forked(config))
            told = f"{fault} at request {at} of {requests}, {met}: exit codes {codes}"
            assert codes[-1] == 0, told
            assert len(codes) <= 2, told
            assert lake.rows(lake.acme, lake.acme) == sorted(expected.items()), told
            record_property("fault", f"{fault}|{where(met)}|{len(codes) - 1}")
    trouble.begin()
    assert lake.run_branches(lake.acme) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("request_", NEVER if EVERY else NEVER[:1])
def test_an_answer_that_never_comes_is_waited_for_with_an_end(lake: Lake, request_: str, record_property: Note) -> None:
    trouble = Trouble()
    with proxy(lake.uri, trouble) as lake.uri, proxy(lake.endpoint, trouble) as lake.endpoint:
        config = lake.job(lake.acme)
        lake.arrive(lake.acme, [(1, "a")])
        lake.run(config)
        lake.arrive(lake.acme, [(2, "b")])
        trouble.begin("never", first=request_)
        codes = [lake.forked(config)]
        assert trouble.met, request_
        trouble.begin()
        if codes[0]:
            codes.append(lake.forked(config))
        assert codes[-1] == 0, codes
    assert lake.rows(lake.acme, lake.acme) == [(1, "a"), (2, "b")]
    record_property("fault", f"never|{where(request_)}|{len(codes) - 1}")


def chosen(number: int) -> Sequence[Fault]:
    """What is done to a request: everything, or by turns."""
    return FAULTS if EVERY else (FAULTS[number % len(FAULTS)],)


def arrive(lake: Lake, number: int, customer: str, mode: str) -> dict[int, str]:
    """A new row, and in merge mode a change of an old one; answers what the table has to have of them."""
    rows = {number: customer} | ({0: customer} if mode == "merge" else {})
    lake.arrive(lake.acme, list(rows.items()))
    return rows


def where(request: str) -> str:
    """The server that a request was for."""
    return "nessie" if any(part in request for part in ("/api/v2", "/iceberg")) else "s3"


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
