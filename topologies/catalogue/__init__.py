"""The catalogue: devices, software stacks and links by name, from the YAML files beside this one."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from cutlayer.errors import UserError
from cutlayer.suggestion import suggestion
from cutlayer.topologies.catalogue.link_entry import LinkEntry
from cutlayer.topologies.catalogue.schema import DeviceEntry
from cutlayer.topologies.catalogue.stack_entry import StackEntry
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.link import AccessLink
from cutlayer.topologies.stack import Stack

__all__ = [
    "CatalogueError",
    "device",
    "device_names",
    "link",
    "link_names",
    "stack",
    "stack_names",
]


class CatalogueError(UserError):
    """A name that is not in the catalogue."""


@cache
def device(name: str) -> DeviceProfile:
    """Return the profile of a device of the catalogue, or raise `CatalogueError`."""
    return DeviceEntry.model_validate(_entry("device", name)).profile(name, device)


@cache
def link(name: str) -> AccessLink:
    """Return a link of the catalogue, or raise `CatalogueError`."""
    return LinkEntry.model_validate(_entry("link", name)).link(name)


@cache
def stack(name: str) -> Stack:
    """Return a software stack of the catalogue, or raise `CatalogueError`."""
    return StackEntry.model_validate(_entry("stack", name)).stack(name)


def stack_names() -> tuple[str, ...]:
    """Return the names of the stacks, in the order of the file."""
    return tuple(_read("stack"))


def device_names() -> tuple[str, ...]:
    """Return the names of the devices, in the order of the file."""
    return tuple(_read("device"))


def link_names() -> tuple[str, ...]:
    """Return the names of the links, in the order of the file."""
    return tuple(_read("link"))


def _entry(kind: str, name: str) -> Any:
    entries = _read(kind)
    if name not in entries:
        raise CatalogueError(
            f"there is no {kind} {name!r} in the catalogue{suggestion(name, entries)}"
        )
    return entries[name]


@cache
def _read(kind: str) -> dict[str, Any]:
    text = (files(__name__) / f"{kind}s.yaml").read_text(encoding="utf-8")
    entries: dict[str, Any] = yaml.safe_load(text)
    return entries
