"""What can go wrong in the network: a wrong request, a clock that stands still, an unfair share."""


class NetworkError(ValueError):
    """A request that the network cannot take, in one sentence."""


class StalledClockError(RuntimeError):
    """The clock stopped advancing: too many settles of the network at one instant."""


class AllocationError(AssertionError):
    """Rates that are not feasible, or not max-min fair: a mistake of a solver."""
