"""The measurements of a calibration: what is timed, how often, and in which order.

Every pass times the probes and the held-out cases together in a new random order, so that both meet the
same conditions of the machine.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from cutlayer.sim.calibrate.held_out import Case
from cutlayer.sim.calibrate.probes import BATCHES
from cutlayer.sim.calibrate.timing import BlockTimes, Passes
from cutlayer.sim.calibrate.worker import Job, ProbeKey, Workshop

LONGEST_SHARE: Final = 0.02  # longest iteration, as a fraction of the time budget


@dataclass
class Timed:
    """All timed iterations of one probe or case, by pass over the jobs."""

    passes: list[list[Passes]] = field(default_factory=list)
    blocks: list[list[BlockTimes]] = field(default_factory=list)

    def seconds(self, part: str) -> float:
        """Return the median over passes of each pass's median, of a field of `Passes`, in seconds."""
        return median(self.each(part))

    def each(self, part: str) -> list[float]:
        """Return the median of every pass, in seconds."""
        return [median(getattr(one, part) for one in taken) for taken in self.passes]

    def block_seconds(self, index: int) -> tuple[float, float]:
        """Return a block's forward and backward seconds, medians of medians."""
        forward = [median(one.forward[index] for one in taken) for taken in self.blocks]
        backward = [median(one.backward[index] for one in taken) for taken in self.blocks]
        return median(forward), median(backward)


Progress = Callable[[str, int, int, str], None]  # phase, done, total, what is next


@dataclass
class Measured:
    """The timings of probes, by (name, batch size), and of cases; `left_out` gives the others and why.

    `passes_made` is less than requested if the time was up.
    """

    probes: dict[ProbeKey, Timed] = field(default_factory=dict)
    cases: dict[Case, Timed] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    passes_made: int = 0

    def add(self, job: Job, passes: list[Passes], blocks: list[BlockTimes]) -> None:
        """Add another pass over a job."""
        if isinstance(job, Case):
            timed = self.cases.setdefault(job, Timed())
        else:
            timed = self.probes.setdefault(job, Timed())
        timed.passes.append(passes)
        timed.blocks.append(blocks)


def measure(
    probes: Sequence[str],
    cases: Sequence[Case],
    *,
    threads: int,
    passes: int,
    budget_s: float,
    progress: Progress,
    seed: int = 0,
) -> Measured:
    """Time all probes and cases `passes` times, reporting to `progress`.

    A job is left out if one iteration takes more than `LONGEST_SHARE` of the time budget. No pass
    begins once the time is up.
    """
    workshop = Workshop(threads, seed)
    order = random.Random(seed)  # noqa: S311
    measured = Measured()
    jobs: list[Job] = [(name, batch) for name in probes for batch in BATCHES]
    jobs += cases
    started, done = time.monotonic(), 0
    for number in range(passes):
        order.shuffle(jobs)
        for job in list(jobs):
            progress("calibrating", done, passes * len(jobs), name_of(job))
            times = workshop.time(job, LONGEST_SHARE * budget_s)
            if times is None and not number:
                jobs.remove(job)
                reason = "an iteration takes too long for the time given, or too much memory"
                measured.left_out.append(f"{name_of(job)}: {reason}")
            elif times is not None:
                measured.add(job, *times)
                done += 1
        measured.passes_made = number + 1
        if time.monotonic() - started > budget_s:
            break
    return measured


def name_of(job: Job) -> str:
    """Return a job's name for messages."""
    return str(job) if isinstance(job, Case) else f"probe {job[0]}, batch {job[1]}"
