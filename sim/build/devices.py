"""The device profiles of a scenario, and the server, edge nodes and groups of clients that have them."""

from collections.abc import Iterable

from cutlayer.scenarios import groups, layout
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.links import access_link
from cutlayer.topologies import (
    Clients,
    Computer,
    DeviceProfile,
    Server,
    Stations,
    catalogue,
    on_stack,
)


class Devices:
    """The device profiles of the catalogue and of the scenario."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.seed = seed
        self._own = {name: device.named(name) for name, device in scenario.devices.items()}

    def of(self, section: groups.OnDevice | groups.MayCompute) -> DeviceProfile:
        """Return the device of a section, with the times of its software stack."""
        name = section.device
        assert name is not None
        profile = self._own[name] if name in self._own else catalogue.device(name)
        return (
            profile if section.stack is None else on_stack(profile, catalogue.stack(section.stack))
        )

    def server(self, section: groups.Server) -> Server:
        """Return the server that a section describes."""
        name = section.name if isinstance(section, layout.GraphServer) else "server"
        queueing = section.discipline.queueing(section.slot_speed)
        return Server(self.of(section), section.slots, queueing, name)

    def computer(self, section: groups.MayCompute) -> Computer | None:
        """Return what computes at an edge node, if it has a device."""
        if section.device is None:
            return None
        discipline = section.discipline or groups.Fifo()
        queueing = discipline.queueing(section.slot_speed or "whole")
        return Computer(self.of(section), section.slots or 1, queueing)

    def clients(self, section: Iterable[groups.ClientGroup]) -> list[Clients]:
        """Return groups of clients, each with its own link."""
        return [
            Clients(self.of(group), group.count, access_link(group.link), group.name)
            for group in section
        ]

    def stations(self, section: Iterable[groups.Station]) -> list[Stations]:
        """Return the stations of a Wi-Fi cell."""
        return [Stations(self.of(group), group.count, group.rate, group.name) for group in section]
