"""A scenario's links and rates as those of a topology: names looked up, figures spelled out."""

from dataclasses import replace
from typing import overload

from cutlayer.scenarios import links
from cutlayer.scenarios.bandwidth import VaryingRate
from cutlayer.topologies import AccessLink, catalogue
from cutlayer.topologies.bandwidth import Varying


def access_link(link: links.Link) -> AccessLink:
    """Return a scenario's link, given by name or by its figures."""
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
    """Return a rate's mean in bytes per second, and how it varies, if it does."""
    if isinstance(rate, VaryingRate):
        varying = rate.varying()
        return varying.mean_bytes_per_s, varying
    return rate, None


def some_link(link: links.Link | None) -> AccessLink | None:
    """Return a link that a scenario may leave out."""
    return None if link is None else access_link(link)
