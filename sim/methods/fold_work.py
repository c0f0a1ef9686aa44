"""The server's work of folding the weights of members."""

from collections.abc import Sequence

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.sim.compute.stage import Work
from cutlayer.sim.endpoints.server import ServerEndpoint
from cutlayer.sim.learning.aggregation import Aggregation


def fold_work(
    remaining: Sequence[ServerEndpoint], parts: Sequence[str], aggregation: Aggregation
) -> Work | None:
    """Return the server's work of folding these parts of the members, None if there is none.

    Members of equal cuts are counted together. With several cuts, a server optimizer steps once
    each parameter that any of them trained.
    """
    alike: dict[int, list[ServerEndpoint]] = {}
    for server in remaining:
        alike.setdefault(server.cut, []).append(server)
    works, shared, heads = [], 0, 0
    for _, servers in sorted(alike.items()):
        costs = servers[0].costs
        if values := costs.weights(*parts).payload_bytes // FLOAT_BYTES:
            works.append(servers[0].server_work.average(values, len(servers)))
        trained = sum(costs.parameters[part] for part in parts if part != "head")
        shared = max(shared, trained)
        heads += costs.parameters["head"] if "head" in parts else 0
    if not works:
        return None
    work = works[0]
    for other in works[1:]:
        work += other
    if aggregation.words:
        server_work = remaining[0].server_work
        work += server_work.step(shared + heads, aggregation.words, aggregation.flops)
    return work
