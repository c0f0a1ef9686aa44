"""The server as a queue: slots, and the order in which jobs get them."""

import simpy

from cutlayer.sim.compute.queueing.batching import Batching
from cutlayer.sim.compute.queueing.fifo import FirstComeFirstServed, Priority
from cutlayer.sim.compute.queueing.job import Job, ServerQueue
from cutlayer.sim.compute.queueing.sharing import ProcessorSharing
from cutlayer.topologies.queueing import Queueing

__all__ = [
    "Batching",
    "FirstComeFirstServed",
    "Job",
    "Priority",
    "ProcessorSharing",
    "ServerQueue",
    "make_queue",
]


def make_queue(env: simpy.Environment, slots: int, queueing: Queueing) -> ServerQueue:
    """Return the queue of a server with `slots` slots."""
    slowness = float(slots) if queueing.slot_speed == "share" else 1.0
    if queueing.discipline == "priority":
        return Priority(env, slots, slowness, first=queueing.first)
    if queueing.discipline == "processor_sharing":
        return ProcessorSharing(env, slots, slowness)
    if queueing.discipline == "batching":
        return Batching(env, slots, slowness, most=queueing.most, wait=queueing.wait_s)
    return FirstComeFirstServed(env, slots, slowness)
