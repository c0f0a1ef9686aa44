"""A row of links.csv: a link or medium, and what it carried in a method's run."""

from typing import NamedTuple

from cutlayer.sim.log.link_use import LinkTotals
from cutlayer.sim.results.columns import ratio


class LinkRow(NamedTuple):
    """A link: its totals, its clients, and its capacity integrated over the `time_s` of the run."""

    name: str
    totals: LinkTotals
    clients: int
    capacity_s: float
    time_s: float

    def per_second(self, value: float) -> float | None:
        """Return a value over the time of the run."""
        return ratio(value, self.time_s)

    @property
    def utilisation(self) -> float | None:
        """The share of the capacity that was used."""
        return ratio(self.totals.consumed, self.capacity_s)
