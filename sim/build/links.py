"""A scenario's links and rates as those of a topology: names looked up in the catalogue."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, overload

from cutlayer.scenarios import links
from cutlayer.scenarios.bandwidth import VaryingRate
from cutlayer.scenarios.fields import Section
from cutlayer.scenarios.schema import Scenario
from cutlayer.topologies import AccessLink, catalogue
from cutlayer.topologies.bandwidth import Varying


def access_link(link: links.Link) -> AccessLink:
    """Return a scenario's link, which is given by its name or by its figures."""
    if isinstance(link, str):
        return catalogue.link(link)
    jitter = None if link.jitter is None else link.jitter.jitter()
    if isinstance(link, links.CatalogueLink):
        known = catalogue.link(link.name)
        known = known if link.delay is None else known.with_delay(link.delay)
        return replace(known, jitter=jitter, loss=link.loss)
    up, down = (link.up, link.down) if isinstance(link, links.UpDownLink) else (link.rate,) * 2
    up_mean, up_varies = mean_and_varying(up)
    down_mean, down_varies = (up_mean, up_varies) if down is up else mean_and_varying(down)
    return AccessLink(
        up_mean,
        down_mean,
        link.delay,
        link.duplex if isinstance(link, links.OneRateLink) else "full",
        up_varies=up_varies,
        down_varies=down_varies,
        jitter=jitter,
        loss=link.loss,
    )


@overload
def mean_and_varying(rate: float | VaryingRate) -> tuple[float, Varying | None]: ...
@overload
def mean_and_varying(rate: float | VaryingRate | None) -> tuple[float | None, Varying | None]: ...
def mean_and_varying(rate: float | VaryingRate | None) -> tuple[float | None, Varying | None]:
    """Return the mean of a rate in bytes per second, and how it varies, if it does."""
    if isinstance(rate, VaryingRate):
        varying = rate.varying()
        return varying.mean_bytes_per_s, varying
    return rate, None


def optional_link(link: links.Link | None) -> AccessLink | None:
    """Return an optional link of a scenario."""
    return None if link is None else access_link(link)


def links_of(scenario: Scenario) -> dict[str, AccessLink]:
    """Return the catalogue's links that a scenario uses, by name."""
    used = [access_link(link) for link in _links_in(scenario.topology)]
    return {link.name: link for link in used if link.name}


def _links_in(value: Any) -> Iterator[links.Link]:
    """Yield every link in a section, at any depth."""
    if isinstance(value, Section):
        for name, inner in value:
            if name not in ("link", "backhaul"):
                yield from _links_in(inner)
            elif inner is not None:
                yield inner
    elif isinstance(value, Mapping | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _links_in(inner)
