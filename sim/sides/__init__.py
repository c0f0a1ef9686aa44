"""The two ends of a client's round: what a method tells its device and its server side to do.

Each operation goes two ways at once. The clock: it takes time on a processor or a path, and leaves a
row in the log. The learning: it is issued on the client's chain and performed there in that order. An
operation returns an event to `yield`; the event's value is a handle for the tensors, never the tensors.
"""

from sim.sides.device import DeviceSide
from sim.sides.server import ServerSide
from sim.sides.side import Side

__all__ = ["DeviceSide", "ServerSide", "Side"]
