"""Chains that have been submitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutlayer.sim.learning.graph.nodes import Node, Value
from cutlayer.sim.learning.graph.tasks import Wanted
from cutlayer.sim.learning.state_key import StateKey


@dataclass
class Ran:
    """A chain that has been submitted: its node, its report's position, and its outputs."""

    node: Node
    position: int
    members: Mapping[StateKey, tuple[Value, int]]  # by state: in which list, and where in it
    written: dict[StateKey, Value]


def ran_of(node: Node, position: int, wanted: Wanted, outputs: Sequence[Value]) -> Ran:
    """Return a chain that has been submitted, with its outputs."""
    members = {key: (outputs[-1], index) for index, key in enumerate(wanted.members)}
    return Ran(node, position, members, dict(zip(wanted.chain.writes, outputs, strict=False)))
