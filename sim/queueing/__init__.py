"""The server as a queue: slots, and the order in which jobs get them."""

from sim.queueing.batching import Batching
from sim.queueing.fifo import FirstComeFirstServed
from sim.queueing.job import Job, ServerQueue
from sim.queueing.make import make_queue
from sim.queueing.priority import Priority
from sim.queueing.sharing import ProcessorSharing

__all__ = [
    "Batching",
    "FirstComeFirstServed",
    "Job",
    "Priority",
    "ProcessorSharing",
    "ServerQueue",
    "make_queue",
]
