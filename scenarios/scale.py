"""The `scale` section: how much more or less than assumed, all at once; for what-if questions."""

from typing import Annotated

from pydantic import Field

from cutlayer.scenarios.fields import Section

Factor = Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)]


class Scale(Section):
    """Factors on what a scenario assumes; 1 leaves it as it is.

    `links` multiplies every rate of a link or medium, `delays` every propagation delay, `devices` and
    `server` the speed of the clients' devices and of the server, `framing` the bytes of a message
    beyond its tensors and labels.
    """

    links: Factor = 1.0
    delays: Factor = 1.0
    devices: Factor = 1.0
    server: Factor = 1.0
    framing: Factor = 1.0
