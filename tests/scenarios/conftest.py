"""A small scenario and stand-ins for the methods' options, shared by the tests of the room."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from cutlayer.scenarios import Loaded, ScenarioError, load_text

# The tests count its lines.
SMALL = """\
name: small
seed: 3
data:
  dataset: digits
  partition: iid
model: {name: vgg5, cut: 1}
training:
  rounds: 2
  clients_per_round: 3
  batch_size: 10
  optimizer: {name: sgd, lr: 0.01, momentum: 0.9}
topology:
  star:
    server: {device: server-8-core, slots: 1}
    clients:
      - {device: raspberry-pi-4b, count: 2, link: {up: 10 Mbit/s, down: 25 Mbit/s, delay: 25 ms}}
      - {device: raspberry-pi-3b-plus, count: 3, link: 4g}
methods:
  - classic_fl
  - ecofed: {period: 3}
    label: ours
"""


class PlainOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    init: Literal["random", "partial"] = "random"


class EdgesOptions(PlainOptions):
    edges: dict[str, Any] | None = None


class EcoFedOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    edges: dict[str, Any] | None = None
    period: int = Field(2, ge=1)
    bits: int | None = Field(8, ge=2, le=16)
    init: Literal["random", "partial", "holistic"] = "partial"
    order: tuple[int, ...] = ()


class BufferOptions(PlainOptions):
    buffer: int | None = None
    generate: bool = True


class NeedyOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float


METHODS: dict[str, type[BaseModel]] = {
    "classic_fl": EdgesOptions,
    "splitfed": EdgesOptions,
    "splitfed_v2": PlainOptions,
    "fedasync": PlainOptions,
    "fedbuff": BufferOptions,
    "safsl": BufferOptions,
    "gas": BufferOptions,
    "local_loss": PlainOptions,
    "fedgkt": PlainOptions,
    "ecofed": EcoFedOptions,
    **dict.fromkeys(
        (
            *("fedprox", "split_learning", "centralised", "pipar", "smofi", "sfl_ga", "epsl"),
            *("mergesfl", "cse_fsl", "fsl_sage", "ampere", "fedoptima"),
        ),
        PlainOptions,
    ),
    "needy": NeedyOptions,
}
KNOWN: dict[str, Any] = {
    "methods": METHODS,
    "models": ["vgg5", "vgg11", "resnet12", "lenet", "resnet18", "alexnet"],
    "datasets": ["digits", "cifar10"],
}

Read = Callable[..., Loaded]
Problems = Callable[..., list[str]]


@pytest.fixture(scope="session")
def known() -> dict[str, Any]:
    return KNOWN


@pytest.fixture
def small() -> str:
    return SMALL


@pytest.fixture
def read() -> Read:
    """Read a text, with overrides."""

    def reading(text: str, *overrides: str) -> Loaded:
        return load_text(text, source="s.yaml", overrides=overrides, **KNOWN)

    return reading


@pytest.fixture
def problems(read: Read) -> Problems:
    """The printed problems of a text, one a line."""

    def finding(text: str, *overrides: str) -> list[str]:
        with pytest.raises(ScenarioError) as caught:
            read(text, *overrides)
        return str(caught.value).splitlines()

    return finding
