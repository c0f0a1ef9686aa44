"""One server block for all clients of a round, which steps in the order of arrival."""

import simpy

from cutlayer.sim.endpoints.world import World
from cutlayer.sim.learning.chain import Chain
from cutlayer.sim.methods.method import Round

CHAINS, STEPS = "shared_chains", "steps"  # notes of a round


def share_block(world: World, rnd: Round, trunk: Chain) -> None:
    """Let the members' chains exchange tensors with `trunk`, the chain of the shared server block.

    The round's notes have the trunk as each member's server endpoint uses it, and the resource that
    keeps its steps from overlapping.
    """
    group = world.learning.interleave(trunk)
    rnd.notes[CHAINS] = tuple(group.join(chain) for chain in rnd.chains)
    rnd.notes[STEPS] = simpy.Resource(world.clock)
