"""Peers: clients that have the server blocks of weaker clients, and also train on their own data.

The idea is that of ParallelSFL (arXiv 2410.01256): clusters of clients train a split model among
themselves, and exchange whole models with the server. A peer is the edge node of its cluster, see
`cutlayer.sim.methods.edges`, with a queue of one slot. If it is sampled, it also trains both
blocks on its own samples: its operations are jobs in this queue beside those of its cluster, and
nothing is sent for them.
"""

from cutlayer.sim.compute.stage import Work
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.methods.method import Process


def train_own_shard(peer: ServerEndpoint) -> Process:
    """Train both blocks on the batches of the peer's own client, as jobs in its queue."""
    overhead_s = peer.client.profile.round_overhead_s
    if overhead_s > 0:
        yield peer.compute(Work(overhead_s, 0.0), Activity.LOAD)
    trains = peer.costs.parameters["device"] > 0
    for batch in peer.batches:
        activation = yield peer.forward_own(batch)
        gradient = yield peer.server_step(batch, activation)
        if trains:
            yield peer.backward_own(batch, gradient)
