"""The `pricing` of a method: the clock by which its operations take time."""

from typing import Annotated

from pydantic import AfterValidator

from cutlayer.scenarios.fields import Section, Text, rule
from cutlayer.suggestion import suggestion
from cutlayer.topologies.published_clocks import CLOCKS


def _known_clock(name: str) -> str:
    if name not in CLOCKS:
        raise rule(f"is not a published clock{suggestion(name, CLOCKS)}")
    return name


class Pricing(Section):
    """The clock of a paper as published, wrong as it is; without it, times are physical."""

    as_published: Annotated[Text, AfterValidator(_known_clock)]
