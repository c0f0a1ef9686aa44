"""Time one job in a process of its own, which trains nothing else and keeps its memory.

What a process trained before would decide which memory its allocator has available.
"""

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any, Final

import torch

import cutlayer.models.catalogue
from cutlayer.sim.calibrate.held_out import Case
from cutlayer.sim.calibrate.probes import CLASSES, probe
from cutlayer.sim.calibrate.timing import BlockTimes, Passes, Trainer, block_times
from cutlayer.sim.process.allocator import keep_memory
from cutlayer.sim.process.python_path import safe_path_for_children

ITERATIONS: Final = 3  # of a job; four times as many if they are short
SHORT_S: Final = 0.02
WARM_UP: Final = 2  # iterations that are not counted

ProbeKey = tuple[str, int]
Job = ProbeKey | Case
Times = tuple[list[Passes], list[BlockTimes]]


class Workshop:
    """Starts a process for each job; with a fork server, after the imports, if the system has one."""

    def __init__(self, threads: int, seed: int) -> None:
        self._threads = threads
        self._seed = seed
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            self._context.set_forkserver_preload(["cutlayer.sim.calibrate.worker", "torch._dynamo"])

    def time(self, job: Job, longest_s: float) -> Times | None:
        """Time a job; None if an iteration takes longer than `longest_s`, or the process dies."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work, args=(job, longest_s, self._threads, self._seed, theirs), daemon=True
        )
        with safe_path_for_children():
            process.start()
        theirs.close()
        try:
            times: Times | None = ours.recv()
        except EOFError:  # killed, most likely for lack of memory
            times = None
        finally:
            ours.close()
        process.join()
        return times


def _work(job: Job, longest_s: float, threads: int, seed: int, answer: Connection) -> None:
    keep_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    answer.send(timed(job, longest_s))
    answer.close()


def timed(job: Job, longest_s: float) -> Times | None:
    """Return the times of a job's iterations, and of a probe's blocks; None if one is too long."""
    if isinstance(job, Case):
        model = cutlayer.models.catalogue.build(job.model, classes=CLASSES, seed=0).train()
        trainer = Trainer(model, job.part, job.cut, job.batch_size)
    else:
        model = probe(job[0]).train()
        trainer = Trainer(model, "whole", 0, job[1])
    for _ in range(WARM_UP):
        first = trainer.iterate().total
        if first > longest_s:
            return None
    count = ITERATIONS if first > SHORT_S else 4 * ITERATIONS
    passes = [trainer.iterate() for _ in range(count)]
    trainer.close()
    if isinstance(job, Case):
        return passes, []
    block_times(model, job[1])
    return passes, [block_times(model, job[1]) for _ in range(count)]
