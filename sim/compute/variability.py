"""How a device's computing times differ from its profile: jitter, throttling, prefetching.

A throttled device is slower from a given time on for the rest of the run; temperature is not modelled.
A loader that prefetches does not slow down the computing.
"""

from dataclasses import dataclass

import numpy as np

from cutlayer.sim.compute.stage import Work
from cutlayer.topologies.jitter import Jitter


@dataclass(frozen=True)
class VariabilitySettings:
    """A client's jitter (mean 1), from when (s) and how much it is throttled, and what it overlaps.

    With `prefetch` the next batch is loaded while the device works or waits; with `overlap` it computes
    on while one message is on its way and another waits to be sent.
    """

    jitter: Jitter | None = None
    throttled_after_s: float = 0.0
    slowdown: float = 1.0
    prefetch: bool = False
    overlap: bool = False

    @property
    def time_invariant(self) -> bool:
        """Whether equal rounds take equal times at any time of the run."""
        return self.jitter is None and self.slowdown == 1.0


class Variability:
    """The variability of one device in one round."""

    def __init__(
        self, settings: VariabilitySettings, generator: np.random.Generator, epoch_s: float
    ) -> None:
        self._settings = settings
        self._generator = generator
        self._epoch_s = epoch_s
        self._loaded_at: float | None = None  # when the next batch is ready, if one is loading

    def of(self, work: Work, now: float) -> Work:
        """Return work with the time that it takes at `now`, seconds since the round began."""
        factor = self._factor(now)
        return Work(work.seconds * factor, work.flops, work.overhead_s * factor)

    def of_batch(self, work: Work, load: Work, now: float) -> Work:
        """Return work that begins with loading a batch: `work` includes `load`."""
        if not self._settings.prefetch:
            return self.of(work, now)
        factor = self._factor(now)
        loading = load.seconds * factor
        wait = loading if self._loaded_at is None else max(self._loaded_at - now, 0.0)
        self._loaded_at = now + wait + loading
        rest = max(work.seconds - load.seconds, 0.0) * factor
        return Work(wait + rest, work.flops, work.overhead_s * factor)

    def _factor(self, now: float) -> float:
        settings = self._settings
        factor = 1.0 if settings.jitter is None else settings.jitter.sample(self._generator, 1.0)
        if self._epoch_s + now >= settings.throttled_after_s:
            factor *= settings.slowdown
        return factor
