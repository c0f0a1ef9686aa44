"""Predict a case with Cutlayer's network, with the links as in a topology."""

from typing import NamedTuple

from cases import Case, Transfer
from shaped import BUCKET_BYTES, FRAME_BYTES, Shaped
from simpy import Environment

from cutlayer.sim.network import Network

PAYLOAD_BYTES = 1448  # of a full segment with timestamps
ETA = PAYLOAD_BYTES / FRAME_BYTES  # a token bucket counts whole Ethernet frames
BUCKET_PAYLOAD = ETA * BUCKET_BYTES


class Route(NamedTuple):
    """A route as the network expects it."""

    resources: tuple[tuple[str, float], ...]
    delay_s: float = 0.0


def ends(case: Case) -> list[float]:
    """Return when each transfer of a case ends, seconds after its own start.

    The full token bucket at the first link lets two frames pass at once; they are subtracted from the
    size of the transfer. Nothing is fitted.
    """
    capacities = {"server.up": case.server.up / 8, "server.down": case.server.down / 8}
    routes = []
    for client, shape in enumerate(case.clients, start=1):
        capacities |= {f"{client}.up": shape.up / 8, f"{client}.down": shape.down / 8}
        routes.append(Route(((f"{client}.up", 1 / ETA), ("server.down", 1 / ETA))))
        routes.append(Route((("server.up", 1 / ETA), (f"{client}.down", 1 / ETA))))
    env = Environment()
    network = Network(env, capacities, routes)
    found = [0.0] * len(case.transfers)

    def play(index: int, transfer: Transfer):  # type: ignore[no-untyped-def]
        yield env.timeout(transfer.start)
        size = max(1.0, transfer.size - BUCKET_PAYLOAD)
        up, down = 2 * transfer.client - 2, 2 * transfer.client - 1
        for _ in range(transfer.rounds):
            yield network.start(up, size).done
            yield network.start(down, size).done
        if not transfer.rounds:
            yield network.start(up if transfer.up else down, size).done
        found[index] = env.now - transfer.start

    for index, transfer in enumerate(case.transfers):
        env.process(play(index, transfer))
    env.run()
    return found


__all__ = ["ETA", "Shaped", "ends"]
