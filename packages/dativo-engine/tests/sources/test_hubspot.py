"""HubSpot's records: what a run reads of them, in which types, and what it asks for that."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
from dativo_engine.errors import (
    AuthenticationError,
    FatalError,
    MalformedAnswerError,
    PermissionDeniedError,
    RateLimitError,
)
from dativo_engine.interfaces import Cursor
from dativo_engine.rest import Rate, RateHeaders
from dativo_engine.sources.hubspot import source as room
from dativo_engine.sources.hubspot.source import HubSpotSource
from hubspot_support import Copy, serving
from pydantic import ValidationError

from tests.fakes.hubspot import App, FakeHubSpot, Limits, Object, Request, Response

DAY = 24 * 3600 * 1000
PEOPLE = [{"email": f"{number}@example.com", "firstname": f"No. {number}"} for number in range(250)]


@pytest.fixture(autouse=True)
def searches_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SEARCH_RATE", Rate(10_000, 100))


@pytest.fixture
def copy() -> Generator[Copy]:
    with serving() as made:
        yield made


def paths(fake: FakeHubSpot) -> Counter[str]:
    return Counter(request.path.removeprefix("/crm/v3/objects/") for request in fake.requests)


def expected(copy: Copy) -> dict[str, str | None]:
    return {str(it): record.value("firstname") for it, record in copy.portal.current(copy.stream).items()}


def names(copy: Copy) -> dict[str, object]:
    return {record_id: row["firstname"] for record_id, row in copy.rows.items()}


def test_a_second_run_reads_only_what_was_changed(copy: Copy) -> None:
    ids = copy.portal.create_many("contacts", PEOPLE)
    assert len(copy.run().read) == 250
    copy.portal.now += DAY
    copy.portal.edit("contacts", ids[7], {"firstname": "Ada"})
    new = copy.portal.create("contacts", {"firstname": "Grace"})

    copy.run()

    assert sorted(copy.read) == sorted([str(ids[7]), str(new)])
    assert paths(copy.fake)["contacts/batch/read"] == 1
    assert names(copy) == expected(copy)
    assert (copy.run().read, copy.gone) == ([], [])


def test_archived_merged_and_restored_records_are_right(copy: Copy) -> None:
    ids = copy.portal.create_many("contacts", PEOPLE)
    copy.run()
    copy.portal.now += DAY
    copy.portal.archive("contacts", ids[0])
    copy.portal.merge("contacts", ids[1], ids[2])

    copy.run()

    assert sorted(copy.gone) == [str(ids[0]), str(ids[2])]
    assert names(copy) == expected(copy)
    copy.portal.now += DAY
    copy.portal.restore("contacts", ids[0])
    assert copy.run().read == [str(ids[0])]
    assert names(copy) == expected(copy)


def test_purged_records_are_found_when_ids_are_compared(copy: Copy) -> None:
    ids = copy.portal.create_many("contacts", PEOPLE)
    copy.run()
    copy.portal.now += DAY
    late = copy.portal.create("contacts", {"firstname": "Grace"})
    copy.run()
    for purged in (ids[3], late):
        copy.portal.purge("contacts", purged)

    copy.portal.now += 5 * DAY
    assert copy.run().gone == []
    copy.portal.now += 2 * DAY
    assert copy.run().gone == [str(ids[3]), str(late)]
    assert names(copy) == expected(copy)
    assert copy.run().gone == []


def test_a_record_that_is_back_before_it_was_missed_comes_when_ids_are_compared(copy: Copy) -> None:
    """Archived while a run reads the list, restored before the next: its modification time does not move."""
    ids = copy.portal.create_many("contacts", PEOPLE)
    away = ids[-1]
    copy.portal.now += DAY
    copy.portal.create("contacts", {"firstname": "Grace"})

    def archive(request: Request) -> None:
        if request.path.endswith("/contacts") and "archived=false" in request.query:
            copy.portal.archive("contacts", away)

    copy.fake.hooks.append(archive)
    copy.run()
    copy.fake.hooks.clear()
    copy.portal.restore("contacts", away)

    assert str(away) not in copy.run().rows, "the loss that docs/hubspot.md tells of"
    copy.portal.now += 8 * DAY
    assert copy.run().read == [str(away)]
    assert names(copy) == expected(copy)


def test_a_record_archived_while_ids_are_compared_is_back_with_the_run_after_it_was_restored(copy: Copy) -> None:
    ids = copy.portal.create_many("contacts", PEOPLE)
    away = ids[-1]
    copy.run()
    copy.portal.now += 8 * DAY

    def archive(request: Request) -> None:
        if request.path.endswith("/contacts") and "archived=false" in request.query:
            copy.portal.archive("contacts", away)

    copy.fake.hooks.append(archive)
    assert copy.run().gone == [str(away)]
    copy.fake.hooks.clear()
    copy.portal.restore("contacts", away)

    assert copy.run().read == [str(away)]
    assert names(copy) == expected(copy)


def test_a_column_that_is_no_property_is_told_with_the_nearest_one(
    copy: Copy, caplog: pytest.LogCaptureFixture
) -> None:
    copy.portal.create_many("contacts", PEOPLE[:1])
    copy.columns = ("id", "email", "firstnam", "associated_companies")
    with caplog.at_level(logging.WARNING):
        copy.run()

    told = [record.getMessage() for record in caplog.records if vars(record).get("event_type") == "unknown_property"]
    assert len(told) == 2
    assert "column firstnam is no property of this account, and is null in every row; did you mean" in told[0]
    assert "associated_companies" in told[1]


def test_comparing_ids_also_finds_what_the_search_never_told(copy: Copy) -> None:
    copy.portal.create_many("contacts", PEOPLE[:3])
    copy.run()
    copy.portal.index_lag = lambda: 365 * DAY
    hidden = copy.portal.create("contacts", {"firstname": "Grace"})
    copy.portal.now += 8 * DAY

    assert copy.run().read == [str(hidden)]


def test_without_reconciling_no_keys_are_kept(copy: Copy) -> None:
    copy.portal.create_many("contacts", PEOPLE)
    copy.options = {"reconcile_days": 0}
    copy.run()
    assert copy.cursor is not None
    assert "keys" not in copy.cursor.value


def test_more_records_than_a_search_tells_change_at_one_moment(copy: Copy) -> None:
    ids = copy.portal.create_many("contacts", ({"firstname": "old"} for _ in range(10_050)))
    copy.run()
    copy.portal.now += DAY
    for record_id in ids[:4_000]:
        copy.portal.edit("contacts", record_id, {"firstname": "new"})
    copy.portal.now += 7
    for record_id in ids[4_000:]:
        copy.portal.edit("contacts", record_id, {"firstname": "newer"})

    copy.run()

    assert Counter(copy.read) == Counter(map(str, ids))
    assert names(copy) == expected(copy)
    assert copy.run().read == []


def test_a_search_that_does_not_move_on_is_an_error_and_no_endless_run(copy: Copy) -> None:
    copy.options = {"page_size": 2}
    ids = copy.portal.create_many("contacts", PEOPLE[:9])
    copy.run()
    copy.portal.now += DAY
    for record_id in ids:
        copy.portal.edit("contacts", record_id, {"firstname": "Ada"})
    standing: Object = {"total": 9, "results": [{"id": "1", "properties": {}}], "paging": {"next": {"after": "4"}}}
    copy.fake.hooks.append(lambda request: Response.of(standing) if '"GT"' in request.body else None)

    with pytest.raises(MalformedAnswerError, match=f"nothing new behind id {ids[3]}, and HubSpot says there is more"):
        copy.run()


def test_what_is_edited_between_pages_comes_in_this_run_or_the_next(copy: Copy) -> None:
    ids = copy.portal.create_many("contacts", PEOPLE)
    copy.options = {"page_size": 10}
    copy.run()
    copy.portal.now += DAY
    for record_id in ids:
        copy.portal.edit("contacts", record_id, {"firstname": "new"})
    edited = itertools.cycle(ids)

    def edit(_: Request) -> None:
        copy.portal.now += 1
        copy.portal.edit("contacts", next(edited), {"firstname": f"at {copy.portal.now}"})

    copy.fake.hooks.append(edit)
    copy.run()
    copy.fake.hooks.clear()
    copy.run()

    assert names(copy) == expected(copy)


def test_the_search_index_may_be_behind(copy: Copy) -> None:
    copy.portal.index_lag = lambda: 60_000
    ids = copy.portal.create_many("contacts", PEOPLE)
    copy.portal.now += DAY
    copy.portal.edit("contacts", ids[0], {"firstname": "Ada"})
    copy.run()
    copy.portal.now += 30_000
    copy.portal.edit("contacts", ids[1], {"firstname": "Grace"})
    copy.run()
    copy.portal.now += 50_000
    copy.portal.edit("contacts", ids[2], {"firstname": "Mary"})
    copy.run()
    copy.portal.now += 120_000
    copy.run()
    assert names(copy) == expected(copy)


def test_text_becomes_the_types_of_the_contract(copy: Copy) -> None:
    values = {
        "total_revenue": "1234.5",
        "num_associated_deals": "3.0",
        "date_of_birth": "1815-12-10",
        "hs_email_optout": "true",
        "lifecyclestage": "lead;customer",
    }
    copy.portal.create("contacts", values)
    copy.portal.create("contacts", dict.fromkeys(values, ""))
    copy.portal.create("contacts", {"date_of_birth": "-4861728000000"})
    copy.columns = ("id", "updatedAt", "createdate", *values)

    first, cleared, counted = copy.run().rows.values()

    moment = dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC)
    assert [first[name] for name in copy.columns[1:]] == [
        moment,
        moment,
        1234.5,
        3,
        dt.date(1815, 12, 10),
        True,
        ["lead", "customer"],
    ]
    assert [cleared[name] for name in values] == [None] * len(values)
    assert counted["date_of_birth"] == dt.date(1815, 12, 10)


def test_a_column_with_a_cell_that_does_not_convert_stays_text(copy: Copy) -> None:
    copy.portal.create("contacts", {"total_revenue": "much"})
    copy.portal.create("contacts", {"total_revenue": "7"})
    copy.columns = ("id", "total_revenue")
    assert [row["total_revenue"] for row in copy.run().rows.values()] == ["much", "7"]


def test_values_that_are_no_text_keep_every_digit(copy: Copy) -> None:
    moment = "2026-01-05T08:00:00.000Z"
    values: Object = {"total_revenue": 1234567890123456789, "hs_email_optout": True, "lastmodifieddate": moment}
    record: Object = {"id": "1", "properties": values, "createdAt": moment, "updatedAt": moment, "archived": False}

    def answer(request: Request) -> Response | None:
        listing = request.method == "GET" and "archived=false" in request.query
        return Response.of({"results": [record]}) if listing else None

    copy.fake.hooks.append(answer)
    copy.columns = ("id", "total_revenue", "hs_email_optout", "phone")

    assert copy.run().rows == {
        "1": {"id": "1", "total_revenue": 1234567890123456789.0, "hs_email_optout": True, "phone": None}
    }


def test_records_that_are_not_as_described_are_told(copy: Copy) -> None:
    broken: Object = {"id": "one", "properties": {}, "createdAt": "today", "updatedAt": "today"}
    copy.fake.hooks.append(lambda request: Response.of({"results": [broken]}) if request.query else None)
    copy.incremental = False
    with pytest.raises(FatalError, match="a record is not as HubSpot describes it"):
        copy.run()


def test_only_what_the_contract_names_is_asked_for_or_all_or_a_list(copy: Copy) -> None:
    copy.portal.create("contacts", {"phone": "1", "firstname": "Ada"})
    [row] = copy.run().rows.values()
    assert set(row) == {"id", "updatedAt", "email", "firstname"}
    copy.cursor, copy.options = None, {"properties": ["phone"]}
    [row] = copy.run().rows.values()
    assert set(row) == {"id", "updatedAt", "phone"}
    copy.cursor, copy.options = None, {"properties": "all"}
    [row] = copy.run().rows.values()
    assert {"id", "createdAt", "updatedAt", "phone", "lastmodifieddate", "hs_object_id"} <= set(row)
    copy.cursor, copy.options = None, {"properties": ["shoe_size"]}
    with pytest.raises(FatalError, match="contacts have no property shoe_size"):
        copy.run()
    copy.options = {"properties": ["frstname"]}
    with pytest.raises(FatalError, match="contacts have no property frstname; did you mean 'firstname'"):
        copy.source().check()


def test_hundreds_of_properties_do_not_make_a_url_too_long(copy: Copy) -> None:
    wide = {f"a_rather_long_property_name_{number:04d}": str(number) for number in range(300)}
    for name in wide:
        copy.portal.add_property("contacts", name)
    copy.portal.create_many("contacts", [wide] * 150)
    copy.options = {"properties": "all"}

    copy.run()

    assert len(copy.rows) == 150
    assert all(row["a_rather_long_property_name_0299"] == "299" for row in copy.rows.values())
    assert paths(copy.fake)["contacts/batch/read"] == 2


def test_associated_ids_are_a_column(copy: Copy) -> None:
    ids = copy.portal.create_many("contacts", [{}, {}])
    companies = copy.portal.create_many("companies", ({"name": str(number)} for number in range(700)))
    for company in companies:
        copy.portal.associate("contacts", ids[0], "companies", company)
    copy.options = {"associations": ["companies"]}
    copy.columns = ("id", "associated_companies")

    copy.run()

    assert [row["associated_companies"] for row in copy.rows.values()] == [list(map(str, companies)), []]


def test_owners_are_compared_as_they_have_no_search(copy: Copy) -> None:
    copy.stream, copy.columns = "owners", ("id", "email", "firstName", "userId", "updatedAt")
    one, two, three = (copy.portal.add_owner(f"{name}@example.com") for name in ("ada", "grace", "mary"))
    assert copy.run().read == [str(one), str(two), str(three)]
    before = [split.identity for split in copy.source().plan({}).splits]
    copy.portal.now += DAY
    copy.portal.change_owner(two, email="hopper@example.com")
    copy.portal.change_owner(three, archived=True)
    assert [split.identity for split in copy.source().plan({}).splits] != before

    copy.run()

    assert (copy.read, copy.gone) == ([str(two)], [str(three)])
    assert {row["email"] for row in copy.rows.values()} == {"ada@example.com", "hopper@example.com"}
    assert (copy.run().read, copy.gone) == ([], [])


@pytest.mark.parametrize("name", ["2-777", "p123_cars"])
def test_custom_objects_are_streams_like_others(copy: Copy, name: str) -> None:
    copy.portal.add_schema("2-777", "cars", {"plate": "string"})
    car = copy.portal.create("2-777", {"plate": "K-AB 1"})
    copy.stream, copy.columns = name, ("id", "plate")
    assert copy.run().rows == {str(car): {"id": str(car), "plate": "K-AB 1"}}
    copy.portal.now += DAY
    copy.portal.edit("2-777", car, {"plate": "K-AB 2"})
    assert [row["plate"] for row in copy.run().rows.values()] == ["K-AB 2"]


@pytest.mark.parametrize(
    "name", ["companies", "deals", "tickets", "products", "line_items", "calls", "emails", "notes"]
)
def test_other_objects_are_followed_by_their_own_modification_time(copy: Copy, name: str) -> None:
    copy.stream, copy.columns = name, ("id", "updatedAt", "hs_lastmodifieddate")
    one, _ = copy.portal.create_many(name, [{}, {}])
    copy.run()
    copy.portal.now += DAY
    copy.portal.edit(name, one, {})
    assert copy.run().read == [str(one)]


def test_discover_tells_properties_with_their_types(copy: Copy) -> None:
    [contacts] = copy.source().discover()
    kinds = {field.name: str(field.type) for field in contacts.arrow_schema}
    assert contacts.primary_key == ("id",)
    assert kinds["total_revenue"] == "double"
    assert kinds["lastmodifieddate"] == "timestamp[us, tz=UTC]"
    assert kinds["hs_email_optout"] == "bool"


def test_discover_without_objects_tells_all_that_the_token_may_read(copy: Copy) -> None:
    copy.credentials = {"access_token": copy.fake.scoped_token("crm.objects.deals.read")}
    everything = HubSpotSource(replace(copy.settings(), streams=()))
    assert [stream.name for stream in everything.discover()] == ["deals"]


def test_an_oauth_app_gets_its_tokens_by_itself(copy: Copy) -> None:
    copy.portal.create_many("contacts", PEOPLE)
    copy.fake.apps["refresh-secret"] = App("app", "app-secret")
    copy.credentials = {"client_id": "app", "client_secret": "app-secret", "refresh_token": "refresh-secret"}
    granted = iter(range(100))

    def expire_every_third(_: Request) -> None:
        if next(granted) % 3 == 2:
            copy.fake.expired |= copy.fake.tokens.keys()

    copy.fake.hooks.append(expire_every_third)
    copy.run()
    assert len(copy.rows) == 250
    copy.fake.hooks.clear()
    copy.credentials = {**copy.credentials, "refresh_token": "revoked-secret"}
    with pytest.raises(AuthenticationError, match=r"check source\.credentials") as refused:
        copy.run()
    assert "secret" not in str(refused.value)


def test_credentials_are_those_of_one_app(copy: Copy) -> None:
    for given in ({}, {"client_id": "app"}, {"access_token": "a", "client_id": "app"}):
        copy.credentials = given
        with pytest.raises(ValidationError, match="app"):
            copy.source()


def test_a_missing_scope_is_named(copy: Copy) -> None:
    copy.credentials = {"access_token": copy.fake.scoped_token("crm.objects.deals.read")}
    with pytest.raises(PermissionDeniedError, match=r"lacks the scope crm\.objects\.contacts\.read"):
        copy.source().check()


def test_requests_wait_for_what_the_headers_say_is_left(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    copy.portal.create_many("contacts", PEOPLE)
    monkeypatch.setattr(room, "RATE_HEADERS", tuple(_quick(it) for it in room.RATE_HEADERS))
    clock = itertools.count(step=4)
    copy.fake.limits = Limits(per_interval=3, clock=lambda: float(next(clock)))
    copy.run()
    assert len(copy.rows) == 250


def test_a_used_up_day_is_left_to_a_later_run(copy: Copy) -> None:
    copy.portal.create_many("contacts", PEOPLE)
    copy.fake.limits = Limits(per_day=3)
    with pytest.raises(RateLimitError) as limit:
        copy.run()
    assert limit.value.retry_after is not None
    assert limit.value.retry_after > 600


def test_all_jobs_of_a_tenant_leave_a_used_up_day_alone(copy: Copy, tmp_path: Path) -> None:
    copy.portal.create_many("contacts", PEOPLE)
    copy.rates_folder = tmp_path
    copy.fake.limits = Limits(per_day=3)
    with pytest.raises(RateLimitError):
        copy.run()
    other = replace(copy, stream="owners", columns=("id", "email"))
    with pytest.raises(RateLimitError, match="asked to be left alone"):
        other.run()
    assert copy.fake.requests == []


def test_the_search_may_be_too_busy_for_a_while(copy: Copy) -> None:
    copy.portal.create_many("contacts", PEOPLE)
    clock = iter([0.0, 0.0, *(number / 2 for number in range(1, 100))])
    copy.fake.limits = Limits(searches_per_second=1, clock=lambda: next(clock))
    copy.run()
    copy.run()
    assert len(copy.rows) == 250


def test_another_sources_cursor_is_refused(copy: Copy) -> None:
    copy.cursor = Cursor({"files": {}})
    with pytest.raises(FatalError, match="not one of HubSpot's"):
        copy.run()


def test_a_list_that_is_suddenly_empty_deletes_nothing(copy: Copy) -> None:
    copy.portal.create_many("contacts", PEOPLE)
    copy.run()
    copy.portal.now += 8 * DAY
    copy.portal.shelves["contacts"].live.clear()
    with pytest.raises(Exception, match="lists no record, and the search knows 250"):
        copy.run()


def _quick(header: RateHeaders) -> RateHeaders:
    return replace(header, window=0.05)
