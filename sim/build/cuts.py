"""The cut of each client, as the scenario's `model.cut` says."""

from collections.abc import Iterator, Mapping, Sequence

from cutlayer.scenarios.aliases import canonical
from cutlayer.scenarios.problems import KeyPath
from cutlayer.scenarios.schema import DEFAULT_CUT, Model
from cutlayer.sim.build.names import ScenarioNameError, clients_named
from cutlayer.topologies import Topology


def cuts_of_clients(topology: Topology, model: Model) -> Sequence[int]:
    """Return the scenario's cut of each client, in client order.

    The cut of a client's name or group takes precedence over that of its device. Raises
    ScenarioNameError for an unknown name, for a client that two names set, and for a client without a
    cut.
    """
    default, named = model.named_cuts.get(DEFAULT_CUT), dict(model.named_cuts)
    named.pop(DEFAULT_CUT, None)
    count = len(topology.clients)
    if not named:
        assert default is not None, "an empty mapping is refused"
        return (default,) * count
    cuts: list[int | None] = [default] * count
    runs = [(device.name, clients) for device, clients in topology.device_runs()]
    devices = dict.fromkeys(name for name, _ in runs)
    of_clients: dict[str, int] = {}
    for name, cut in named.items():
        if (device := canonical(name, devices)) is None:
            of_clients[name] = cut
            continue
        for run, clients in runs:
            if run == device:
                cuts[clients] = [cut] * len(range(*clients.indices(count)))
    for index, cut in _by_client(topology, of_clients, devices):
        cuts[index] = cut
    set_ = [cut for cut in cuts if cut is not None]
    if len(set_) < count:
        client = topology.clients[cuts.index(None)]
        profile = topology.node(client).device
        which = client if profile is None else f"{client}, a {profile.name}"
        raise ScenarioNameError(("model", "cut"), f"has no cut for {which}: give a default")
    return set_


def _by_client(
    topology: Topology, named: Mapping[str, int], devices: Mapping[str, None]
) -> Iterator[tuple[int, int]]:
    """Yield the index and cut of every client whose cut is set by its name or its group's."""
    index = {client: number for number, client in enumerate(topology.clients)} if named else {}
    seen: set[str] = set()
    for name, cut in named.items():
        path: KeyPath = ("model", "cut", name)
        for client in clients_named(topology, name, path, devices):
            if client in seen:
                raise ScenarioNameError(path, f"{client} is already set by an earlier entry")
            seen.add(client)
            yield index[client], cut
