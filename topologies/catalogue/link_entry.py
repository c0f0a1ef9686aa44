"""The entries of links.yaml."""

from typing import Literal

from pydantic import Field

from cutlayer.topologies.catalogue.stated import Figure, Stated, Strict, Text, note_of, status_of
from cutlayer.topologies.link import AccessLink, Duplex
from cutlayer.topologies.units import parse_duration, parse_rate


class LinkEntry(Strict):
    """A link: rates as seen from the client, one-way delay or "unknown", duplex."""

    description: Text
    sources: tuple[Text, ...] = Field(min_length=1, strict=False)
    up: Figure
    down: Figure
    delay: Figure | Literal["unknown"]
    duplex: Duplex
    shared: bool = False

    def link(self, name: str) -> AccessLink:
        """Return the link."""
        stated: dict[str, Stated] = {"up_bytes_per_s": self.up, "down_bytes_per_s": self.down}
        delay_s = None
        if not isinstance(self.delay, str):
            stated["delay_s"] = self.delay
            delay_s = parse_duration(self.delay.value)
        return AccessLink(
            name=name,
            description=self.description,
            up_bytes_per_s=parse_rate(self.up.value),
            down_bytes_per_s=parse_rate(self.down.value),
            delay_s=delay_s,
            duplex=self.duplex,
            shared=self.shared,
            sources=self.sources,
            status=status_of(stated),
            notes=note_of(stated),
        )
