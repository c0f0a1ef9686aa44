"""The entries of stacks.yaml."""

from typing import Annotated

from pydantic import Field

from cutlayer.topologies.catalogue.stated import (
    Figure,
    Stated,
    Strict,
    Text,
    note_of,
    status_of,
)
from cutlayer.topologies.stack import GROUPS, Stack
from cutlayer.topologies.units import parse_duration


class Slowdown(Stated):
    """A factor on times."""

    value: Annotated[float, Field(gt=0, lt=1e6)]


class StackEntry(Strict):
    """A software stack: factors on times relative to the reference stack, loader and loop."""

    description: Text
    sources: tuple[Text, ...] = Field(min_length=1, strict=False)
    gemm_forward: Slowdown
    gemm_backward: Slowdown
    other: Slowdown
    loader_per_sample: Figure
    loop_per_iteration: Figure
    per_round: Figure | None = None

    def stack(self, name: str) -> Stack:
        """Return the stack."""
        stated: dict[str, Stated] = {group: getattr(self, group) for group in GROUPS}
        stated["loader_s_per_sample"] = self.loader_per_sample
        stated["loop_s_per_iteration"] = self.loop_per_iteration
        if self.per_round is not None:
            stated["round_s"] = self.per_round
        return Stack(
            name=name,
            description=self.description,
            gemm_forward=self.gemm_forward.value,
            gemm_backward=self.gemm_backward.value,
            other=self.other.value,
            loader_s_per_sample=parse_duration(self.loader_per_sample.value),
            loop_s_per_iteration=parse_duration(self.loop_per_iteration.value),
            round_s=0.0 if self.per_round is None else parse_duration(self.per_round.value),
            sources=self.sources,
            status=status_of(stated),
            notes=note_of(stated),
        )
