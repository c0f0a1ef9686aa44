"""The measurements of a calibration: what is timed, how often, and in which order.

Probes and held-out cases are timed in turns, in an order that is shuffled anew for every pass, so that
neither has the machine at a better time than the other.
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

LONGEST_SHARE: Final = 0.02  # of the time that there is: what a single iteration may take


@dataclass
class Timed:
    """All iterations of one probe or case: a list of times for every pass over the jobs."""

    passes: list[list[Passes]] = field(default_factory=list)
    blocks: list[list[BlockTimes]] = field(default_factory=list)

    def seconds(self, part: str) -> float:
        """Return the median over the passes of the median in each: a part of `Passes`, or its total."""
        return median(self.each(part))

    def each(self, part: str) -> list[float]:
        """Return the median of every pass."""
        return [median(getattr(one, part) for one in taken) for taken in self.passes]

    def block_seconds(self, index: int) -> tuple[float, float]:
        """Return forward and backward of a block, medians of medians."""
        forward = [median(one.forward[index] for one in taken) for taken in self.blocks]
        backward = [median(one.backward[index] for one in taken) for taken in self.blocks]
        return median(forward), median(backward)


Progress = Callable[[str, int, int, str], None]  # phase, done, total, what is next


@dataclass
class Measured:
    """What was timed: probes by (name, batch size), and cases; `left_out` says what was not, and why.

    `passes_made` are fewer than asked for where the time was up.
    """

    probes: dict[ProbeKey, Timed] = field(default_factory=dict)
    cases: dict[Case, Timed] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    passes_made: int = 0

    def add(self, job: Job, passes: list[Passes], blocks: list[BlockTimes]) -> None:
        """Keep another pass over a job."""
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

    A job is left out of which an iteration takes more than its share of the time. When the time is up
    after a whole pass, the passes that are left are not made.
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
    """Return a job in words."""
    return str(job) if isinstance(job, Case) else f"probe {job[0]}, batch {job[1]}"
