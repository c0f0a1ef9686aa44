"""The schema of a scenario: what is trained, on which data, where, and with which methods.

Units are in the file ("10 Mbit/s"); the validated scenario holds SI numbers: bytes/s, s, bytes,
FLOP/s. Nothing that costs time or bytes has a default.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cutlayer.scenarios.availability import Absence
from cutlayer.scenarios.bandwidth import Change
from cutlayer.scenarios.codec import Codec
from cutlayer.scenarios.control import Control, Fixed
from cutlayer.scenarios.data import Data
from cutlayer.scenarios.devices import Computing, OwnDevice, Speeds
from cutlayer.scenarios.fields import (
    Count,
    Section,
    Text,
    not_empty,
    rule,
    unique,
)
from cutlayer.scenarios.file_paths import absolute, place_files
from cutlayer.scenarios.layout import Topology, clients_in
from cutlayer.scenarios.methods import Method
from cutlayer.scenarios.model import Model
from cutlayer.scenarios.numerics import Numerics
from cutlayer.scenarios.task import Task
from cutlayer.scenarios.training import Stop, Training
from cutlayer.scenarios.transport import ClientsTransport, Ideal, Transport


def _check_file_name(name: str) -> str:
    """Return a name that a result folder can have."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is None:
        raise rule("must be letters, digits, '.', '_' and '-', beginning with a letter or digit")
    return name


EVENTS_PER_BATCH: Final = 40  # more than any method has for a batch: messages, steps, queues

Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Factor = Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)]
ScenarioName = Annotated[Text, StringConstraints(max_length=100), AfterValidator(_check_file_name)]


class Scale(Section):
    """Factors on what a scenario assumes, for what-if questions; 1 changes nothing.

    `links` multiplies every rate of a link or medium, `delays` every propagation delay, `devices` the
    speed of the clients' devices, `server` that of the server and the edge nodes, `framing` the bytes of
    a message besides its tensors and labels.
    """

    links: Factor = 1.0
    delays: Factor = 1.0
    devices: Factor = 1.0
    server: Factor = 1.0
    framing: Factor = 1.0


class Uncertainty(Section):
    """Intervals for times: the clock runs again for each of some draws of the figures not known exactly.

    `interval` is the share of the draws that lies in an interval. The draws have the scenario's first
    seed, unless they have a `seed` of their own.
    """

    draws: Annotated[int, Field(strict=True, ge=2, le=10_000)]
    interval: Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)] = 0.9
    seed: Seed | None = None


class Limits(Section):
    """Bounds on the work of a run, beyond which it is refused; none of them changes a result.

    `clients` and `links` (between sites, or of a graph) bound the topology, `round_batches` the batches
    that the clients of a round train on, `run_batches` those of all rounds, methods and seeds.
    `round_events` bounds the events of the clock in a round, such as the changes of a rate during a long
    transfer; 40 for each batch or micro-batch are always allowed.
    """

    clients: Count = 1_000_000
    links: Count = 200_000
    round_batches: Count = 200_000
    run_batches: Count = 100_000_000
    round_events: Count = 500_000


class Scenario(Section):
    """A whole scenario; see the sections."""

    name: ScenarioName
    description: str = ""
    seed: Seed | None = None
    seeds: Annotated[tuple[Seed, ...], Field(max_length=1000), not_empty, unique] | None = None
    data: Data
    model: Model
    task: Task | None = None
    training: Training
    numerics: Numerics = Numerics()
    codec: Codec | None = None
    control: Control = Fixed()
    stop: Stop = Stop()
    devices: Mapping[Text, OwnDevice] = Field(default_factory=dict)
    topology: Topology
    changes: tuple[Change, ...] = ()
    availability: tuple[Absence, ...] = ()
    speeds: tuple[Speeds, ...] = ()
    computing: tuple[Computing, ...] = ()
    scale: Scale = Scale()
    transport: Transport = Ideal()
    transports: tuple[ClientsTransport, ...] = ()
    limits: Limits = Limits()
    uncertainty: Uncertainty | None = None
    methods: tuple[Method, ...]

    @model_validator(mode="before")
    @classmethod
    def _default_seed(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and not {"seed", "seeds"} & value.keys():
            return {**value, "seed": 0}
        return value

    @field_validator("seeds")
    @classmethod
    def _one_or_many(
        cls, seeds: tuple[int, ...] | None, info: ValidationInfo
    ) -> tuple[int, ...] | None:
        if seeds is not None and info.data.get("seed") is not None:
            raise rule("is not allowed together with seed")
        return seeds

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds; every method runs once with each."""
        return self.seeds or (self.seed or 0,)

    @property
    def client_count(self) -> int:
        """The number of clients."""
        return clients_in(self.topology)

    @property
    def clients_per_round(self) -> int:
        """The number of clients that take part in each round."""
        return self.training.clients_per_round or self.client_count

    def written(self) -> dict[str, Any]:
        """Return plain data for YAML or JSON, with all defaults and absolute paths."""
        plain = self.model_dump(mode="json", exclude={"methods"}, exclude_none=True)
        methods = [method.written() for method in self.methods]
        placed: dict[str, Any] = place_files({**plain, "methods": methods}, absolute)
        return placed
