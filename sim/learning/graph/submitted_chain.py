"""Chains whose tasks have been submitted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutlayer.sim.learning.graph.task_graph import Node, Value
from cutlayer.sim.learning.graph.tasks import Wanted
from cutlayer.sim.learning.state_key import StateKey


@dataclass
class SubmittedChain:
    """A chain that has been submitted: its node, the position of its report in the node's, its outputs.

    `members` has by state the output that is a list of members, and the index in this list.
    """

    node: Node
    position: int
    members: Mapping[StateKey, tuple[Value, int]]
    written: dict[StateKey, Value]


def submitted_chain(
    node: Node, position: int, wanted: Wanted, outputs: Sequence[Value]
) -> SubmittedChain:
    """Return a chain that has been submitted, with its outputs."""
    members = {key: (outputs[-1], index) for index, key in enumerate(wanted.members)}
    written = dict(zip(wanted.chain.writes, outputs, strict=False))
    return SubmittedChain(node, position, members, written)
