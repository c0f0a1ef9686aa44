"""The catalogue: devices and links by name, from devices.yaml and links.yaml beside this file."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

from cutlayer.errors import UserError
from cutlayer.suggestion import suggestion
from cutlayer.topologies.catalogue.schema import DeviceEntry, LinkEntry
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.link import AccessLink

__all__ = ["CatalogueError", "device", "device_names", "link", "link_names"]

DEVICES: Final = "devices.yaml"
LINKS: Final = "links.yaml"


class CatalogueError(UserError):
    """A name that is not in the catalogue."""


@cache
def device(name: str) -> DeviceProfile:
    """Return the profile of a device of the catalogue, or raise `CatalogueError`."""
    return DeviceEntry.model_validate(_entry(DEVICES, name, "device")).profile(name, device)


@cache
def link(name: str) -> AccessLink:
    """Return a link of the catalogue, or raise `CatalogueError`."""
    return LinkEntry.model_validate(_entry(LINKS, name, "link")).link(name)


def device_names() -> tuple[str, ...]:
    """Return the names of the devices, in the order of the file."""
    return tuple(_read(DEVICES))


def link_names() -> tuple[str, ...]:
    """Return the names of the links, in the order of the file."""
    return tuple(_read(LINKS))


def _entry(file: str, name: str, kind: str) -> Any:
    entries = _read(file)
    if name not in entries:
        raise CatalogueError(
            f"there is no {kind} {name!r} in the catalogue{suggestion(name, entries)}"
        )
    return entries[name]


@cache
def _read(file: str) -> dict[str, Any]:
    text = (files(__name__) / file).read_text(encoding="utf-8")
    entries: dict[str, Any] = yaml.safe_load(text)
    return entries
