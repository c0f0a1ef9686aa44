"""The server as a queue: slots, and the order in which jobs get them."""

from cutlayer.sim.compute.queueing.batching import Batching
from cutlayer.sim.compute.queueing.fifo import FirstComeFirstServed
from cutlayer.sim.compute.queueing.job import Job, ServerQueue
from cutlayer.sim.compute.queueing.make import make_queue
from cutlayer.sim.compute.queueing.priority import Priority
from cutlayer.sim.compute.queueing.sharing import ProcessorSharing

__all__ = [
    "Batching",
    "FirstComeFirstServed",
    "Job",
    "Priority",
    "ProcessorSharing",
    "ServerQueue",
    "make_queue",
]
