"""Devices that come and go: when each is online, as functions of time with the values 1 and 0."""

from cutlayer.topologies.availability.intervals import presence
from cutlayer.topologies.availability.recording import Recording, read_recording

__all__ = ["Recording", "presence", "read_recording"]
