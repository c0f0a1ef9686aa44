"""The nodes between clients and the server that average for them: edge nodes, or peers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cutlayer.scenarios.aliases import canonical
from cutlayer.scenarios.problems import KeyPath
from cutlayer.sim.build.names import ScenarioNameError, clients_named
from cutlayer.topologies import Topology


@dataclass(frozen=True)
class EdgeNodes:
    """The names of the nodes between clients and the server that average.

    `of` returns the node of a client, by the client's index: a peer is its own node.
    """

    names: tuple[str, ...]
    of: Callable[[int], str | None]
    are_peers: bool = False


def edge_nodes_of(topology: Topology, options: Any, path: KeyPath = ()) -> EdgeNodes:
    """Return the topology's edge nodes that compute or, with the option `edges.peers`, the peers.

    The other clients are assigned to the peers in turn, in client order. Raises ScenarioNameError if
    the option, at this `path`, names no client or all of them.
    """
    name = getattr(getattr(options, "edges", None), "peers", None)
    clients = topology.clients
    if name is None:
        return EdgeNodes(topology.edges, lambda index: topology.edge_of(clients[index]))
    peers = _named(topology, name, path)
    if len(peers) == len(clients):
        complaint = f"names all clients: peers compute for others (got {name!r})"
        raise ScenarioNameError(path, complaint)
    chosen, nearest, others = {*peers}, list[str](), 0
    for client in clients:
        nearest.append(client if client in chosen else peers[others % len(peers)])
        others += client not in chosen
    return EdgeNodes(peers, nearest.__getitem__, are_peers=True)


def _named(topology: Topology, name: str, path: KeyPath) -> tuple[str, ...]:
    """Return the clients with this device, of this group or of this name, in client order."""
    runs = [(device.name, clients) for device, clients in topology.device_runs()]
    devices = dict.fromkeys(device for device, _ in runs)
    if (device := canonical(name, devices)) is None:
        return clients_named(topology, name, path, devices)
    return tuple(
        client
        for of_run, clients in runs
        if of_run == device
        for client in topology.clients[clients]
    )
