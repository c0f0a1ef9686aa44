"""`best`: the cut that minimises each client's predicted round time, chosen once."""

from cutlayer.scenarios.control import Best
from cutlayer.sim.control.controller import CUTS, Controller, Decisions, History


class BestCut(Controller):
    """Chooses the cut with the shortest round without contention: device, links and server added up.

    Shared links and the server's queue are ignored. Of equal cuts, it takes the smallest.
    """

    sets = frozenset({CUTS})
    settles = True
    Options = Best

    def decide(self, history: History) -> Decisions:
        """Choose before the first round; the cut of a client is computed when it first takes part."""
        if history.index > 0:
            return Decisions()

        def best(client: int) -> int:
            cuts = history.clients[client].cuts
            return min(cuts, key=lambda cut: (history.predict(client, cut).seconds, cut))

        return Decisions(cuts=best)
