"""A scenario: what is trained, on which data, where, and with which methods.

Units are in the file ("10 Mbit/s"); the validated scenario holds SI numbers: bytes/s, s, bytes,
FLOP/s. Nothing that costs time or bytes has a default.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cutlayer.scenarios.availability import Absence
from cutlayer.scenarios.changes import Change
from cutlayer.scenarios.computing import Computing
from cutlayer.scenarios.data import Data
from cutlayer.scenarios.fields import ModelName, Section, Text, not_empty, rule, unique
from cutlayer.scenarios.file_paths import absolute, place_files
from cutlayer.scenarios.layout import Topology
from cutlayer.scenarios.limits import Limits
from cutlayer.scenarios.methods import Method
from cutlayer.scenarios.profile_file import read_profile
from cutlayer.scenarios.quantities import Power, Size, Speed
from cutlayer.scenarios.scale import Scale
from cutlayer.scenarios.speeds import Speeds
from cutlayer.scenarios.training import Stop, Training
from cutlayer.scenarios.transport import ClientsTransport, Ideal, Transport
from cutlayer.topologies.catalogue.profile_file import ProfileFileError
from cutlayer.topologies.device import DeviceProfile


def _check_file_name(name: str) -> str:
    """A run's folder is named after its scenario."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is None:
        raise rule("must be letters, digits, '.', '_' and '-', beginning with a letter or digit")
    return name


Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Cut = Annotated[int, Field(strict=True, ge=0)]
ScenarioName = Annotated[Text, StringConstraints(max_length=100), AfterValidator(_check_file_name)]


class Model(Section):
    """The model, and the number of leading blocks that stay on the device."""

    name: ModelName
    cut: Cut


def _profile_is_sound(file: str) -> str:
    try:
        read_profile(Path(file), "any")
    except ProfileFileError as error:
        raise rule(str(error)) from None
    return file


class PowerStates(Section):
    """The power of a whole board while it idles, computes, sends and receives."""

    idle: Power
    compute: Power
    send: Power | None = None
    receive: Power | None = None


class OwnDevice(Section):
    """A device of the scenario's own: a profile in a file, or one speed for everything (coarse).

    `memory` and `power` stand in place of the file's.
    """

    speed: Speed | None = None
    profile: Annotated[Text, AfterValidator(_profile_is_sound)] | None = None
    memory: Size | None = None
    power: PowerStates | None = None
    description: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.speed is None) == (self.profile is None):
            raise rule(
                "needs either a speed, or the file of a profile as cutlayer calibrate writes it"
            )
        return self

    def named(self, name: str) -> DeviceProfile:
        """Return the device as a profile."""
        if self.profile is not None:
            found = read_profile(Path(self.profile), name)
            found = replace(found, description=self.description or found.description)
        else:
            assert self.speed is not None
            found = DeviceProfile.from_speed(name, self.speed, self.description)
        if self.memory is not None:
            found = replace(found, memory_bytes=int(self.memory))
        if self.power is not None:
            states = {name: watts for name, watts in self.power if watts is not None}
            found = replace(found, power_w=states)
        return found


class Scenario(Section):
    """Everything that one run needs to know; see the sections."""

    name: ScenarioName
    description: str = ""
    seed: Seed | None = None
    seeds: Annotated[tuple[Seed, ...], Field(max_length=1000), not_empty, unique] | None = None
    data: Data
    model: Model
    training: Training
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
            raise rule("cannot stand beside seed; give one of the two")
        return seeds

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds to run, one run of every method for each."""
        return self.seeds or (self.seed or 0,)

    @property
    def client_count(self) -> int:
        """How many clients there are."""
        return self.topology.client_count

    @property
    def clients_per_round(self) -> int:
        """How many clients take part in each round."""
        return self.training.clients_per_round or self.client_count

    def written(self) -> dict[str, Any]:
        """The scenario as plain data for YAML or JSON: every default spelled out, paths absolute."""
        plain = self.model_dump(mode="json", exclude={"methods"}, exclude_none=True)
        methods = [method.written() for method in self.methods]
        placed: dict[str, Any] = place_files({**plain, "methods": methods}, absolute)
        return placed
