"""The kit that sources of web APIs are made of: functions and small values, nothing to inherit.

    service     what an API is: address, who asks, how its answers tell of rates
    client      asks it: connections kept, requests tried again, every failure in its class
    paginators  the ways in which lists are cut into pages
    paging      a list page by page, to its end
    records     an answer's bytes -> its records, still bytes -> runs of them for `jsonrows.reader`

A source makes a `Service` and a `Client` (`open_throttle` gives it the tenant's bucket), walks `pages`, puts them
together with `blocks`, and hands those to `JsonReader.batches`, which answers batches typed by the contract.
"""

from dativo_engine.rest.auth import Auth, Credentials, anonymous, basic, bearer, header, query
from dativo_engine.rest.client import Client
from dativo_engine.rest.exchange import Answer, Request
from dativo_engine.rest.paginators import (
    ByCursor,
    ByLastId,
    ByLinkHeader,
    ByNextUrl,
    ByOffset,
    ByPage,
    Paginator,
    SinglePage,
)
from dativo_engine.rest.paging import pages
from dativo_engine.rest.records import Page, blocks, page_reader
from dativo_engine.rest.service import Patience, Service
from dativo_engine.rest.throttle import Rate, RateHeaders, Throttle, open_throttle

__all__ = [
    "Answer",
    "Auth",
    "ByCursor",
    "ByLastId",
    "ByLinkHeader",
    "ByNextUrl",
    "ByOffset",
    "ByPage",
    "Client",
    "Credentials",
    "Page",
    "Paginator",
    "Patience",
    "Rate",
    "RateHeaders",
    "Request",
    "Service",
    "SinglePage",
    "Throttle",
    "anonymous",
    "basic",
    "bearer",
    "blocks",
    "header",
    "open_throttle",
    "page_reader",
    "pages",
    "query",
]
