"""`balanced_batches`: batch sizes by speed, so that the clients of a round finish together.

As in MergeSFL (Liao et al., 2024), the fastest client keeps the scenario's batch size B and the others
get smaller batches; all train on as many batches as before.
"""

from cutlayer.scenarios.control import BalancedBatches
from cutlayer.sim.control.controller import BATCH_SIZES, Controller, Decisions, History


class BalancedBatchSizes(Controller):
    """Gives a client batches of B x (shortest time) / (its own time), both per sample.

    A client's time is that of its latest round over its batch size: computing, transfers of activations
    and gradients, and the server with its queue, without the transfers of weights. At the fixed point
    all clients take equal times. A client that has not taken part yet has batches of B.
    """

    sets = frozenset({BATCH_SIZES})
    Options = BalancedBatches

    def __init__(self, options: BalancedBatches) -> None:
        super().__init__(options)
        self._over_size_s: dict[int, float] = {}

    def decide(self, history: History) -> Decisions:
        """Record the times of the last round, and set the batch sizes of all clients with a time."""
        for closed in history.rounds:
            for of in closed.clients:
                transfers_s = of.up_s + of.down_s - of.weights_s
                seconds = of.computing_s + transfers_s + of.queue_s + of.server_s
                if seconds > 0 and not of.dropped:
                    self._over_size_s[of.client] = seconds / of.batch_size
        if not self._over_size_s:
            return Decisions()
        fastest = min(self._over_size_s.values())
        sizes = {}
        for client, seconds in sorted(self._over_size_s.items()):
            facts = history.clients[client]
            least = max(self.options.smallest, facts.min_batch)
            sizes[client] = max(least, round(facts.batch_size * fastest / seconds))
        return Decisions(batch_sizes=sizes)
