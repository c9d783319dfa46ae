"""Every connector: its name, where its source and its spec are, and the extra that installs its driver."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from dativo_config.models.connector import ConnectorSpec

from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_engine.interfaces import Source, SourceSettings

THIRD_PARTIES = "dativo.connectors"


@dataclass(frozen=True, slots=True)
class Connector:
    """Where a connector is, as `module:name`; nothing of it is imported before it is needed.

    A third party's package names one of these in its entry point of the group `dativo.connectors`.

    Attributes:
        source: a class that is called with `SourceSettings`.
        spec: a `ConnectorSpec`, in a module that imports no driver.
        extra: what installs the driver, as in `pip install 'dativo-engine[extra]'`; empty: nothing is needed.
    """

    source: str
    spec: str
    extra: str = ""


CONNECTORS: Mapping[str, Connector] = MappingProxyType(
    {
        "csv": Connector("dativo_engine.sources.csv.source:CsvSource", "dativo_engine.sources.csv.spec:SPEC"),
        "hubspot": Connector(
            "dativo_engine.sources.hubspot.source:HubSpotSource", "dativo_engine.sources.hubspot.spec:SPEC"
        ),
        "jsonl": Connector("dativo_engine.sources.jsonl.source:JsonlSource", "dativo_engine.sources.jsonl.spec:SPEC"),
        "parquet": Connector(
            "dativo_engine.sources.parquet.source:ParquetSource", "dativo_engine.sources.parquet.spec:SPEC"
        ),
        "rest": Connector("dativo_engine.sources.rest.source:RestSource", "dativo_engine.sources.rest.spec:SPEC"),
        "stripe": Connector(
            "dativo_engine.sources.stripe.source:StripeSource", "dativo_engine.sources.stripe.spec:SPEC"
        ),
    }
)


def specs() -> Mapping[str, ConnectorSpec]:
    """What every connector takes and can do; imports no driver.

    Raises:
        FatalError: a third party's connector can't be imported.
    """
    return {name: cast("ConnectorSpec", _import(name, connector.spec)) for name, connector in _all().items()}


def open_source(settings: SourceSettings) -> Source:
    """The source of a job.

    Raises:
        FatalError: no connector has the name, or its driver is not installed.
    """
    connector = _all().get(settings.connector)
    if connector is None:
        near = difflib.get_close_matches(settings.connector, _all(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(_all()))}"
        message = f"source_connector: there is no connector {settings.connector!r}; {hint}"
        raise FatalError(message)
    open_it = cast("Callable[[SourceSettings], Source]", _import(settings.connector, connector.source))
    return open_it(settings)


@cache
def _all() -> Mapping[str, Connector]:
    """Ours, and those of installed packages; ours win."""
    others = {point.name: cast("Connector", point.load()) for point in entry_points(group=THIRD_PARTIES)}
    return {**others, **CONNECTORS}


def _import(name: str, place: str) -> object:
    module, _, attribute = place.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        extra = _all()[name].extra
        install = f"pip install 'dativo-engine[{extra}]'" if extra else f"pip install {error.name}"
        message = f"connector {name!r} needs {error.name}, which is not installed: {install}"
        raise FatalError(message) from error
