"""The devices of nodes of a topology, changed by a function when they are asked for."""

from collections.abc import Callable, Collection, Iterator, Mapping

from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.graph import Topology


class ChangedDevices(Mapping[str, DeviceProfile]):
    """The devices of the nodes `names`, as `change` returns them; for `Topology.with_devices`.

    A large fleet has one profile for many clients, so `change` should return one for all of them too.
    """

    def __init__(
        self,
        topology: Topology,
        names: Collection[str],
        change: Callable[[str, DeviceProfile], DeviceProfile],
    ) -> None:
        self._topology = topology
        self._names = names
        self._change = change

    def __getitem__(self, name: str) -> DeviceProfile:
        if name not in self._names:
            raise KeyError(name)
        device = self._topology.node(name).device
        assert device is not None
        return self._change(name, device)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
