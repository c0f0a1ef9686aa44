"""Groups of equal clients, and the names of their members."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.parts import TopologyError


class Group:
    """Several equal things; those without a name or a `device` are named after their `kind`."""

    device: DeviceProfile
    count: int
    name: str | None
    kind: ClassVar[str] = ""

    @property
    def stem(self) -> str:
        """The stem of its members' names."""
        return self.name or self.kind or self.device.name


@dataclass(frozen=True)
class Clients(Group):
    """Equal clients. The member of a named group of one has exactly that name."""

    device: DeviceProfile
    count: int
    link: AccessLink
    name: str | None = None


AnyGroup = TypeVar("AnyGroup", bound=Group)


def named_groups(
    groups: Iterable[AnyGroup], prefix: str = ""
) -> Iterator[tuple[tuple[str, ...], AnyGroup]]:
    """Yield the names of every group's members with the group, in order."""
    counted: Counter[str] = Counter()
    for group in groups:
        if group.count < 1:
            raise TopologyError(f"{group.stem!r} has a count of {group.count}: expected 1 or more")
        if group.name is not None and group.count == 1:
            yield (f"{prefix}{group.name}",), group
            continue
        stem, first = group.stem, counted[group.stem]
        counted[stem] += group.count
        numbers = range(first, first + group.count)
        yield tuple([f"{prefix}{stem}-{number}" for number in numbers]), group


def named(groups: Iterable[AnyGroup], prefix: str = "") -> Iterator[tuple[str, AnyGroup]]:
    """Yield every member's name with its group, in order."""
    for names, group in named_groups(groups, prefix):
        for name in names:
            yield name, group
