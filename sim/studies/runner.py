"""Get the results of cells: from the store, or timed on the clock and trained once per digest."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from cutlayer.errors import UserError
from cutlayer.models.own_object import folders_looked_in
from cutlayer.scenarios.numerics import Numerics
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.executors import executor_entry, numerics_of
from cutlayer.sim.process.interrupts import held_back
from cutlayer.sim.process.jobs import Job as AnyJob
from cutlayer.sim.process.jobs import Workers
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.studies.cells import Cell
from cutlayer.sim.studies.check import Progress
from cutlayer.sim.studies.content_address import metric_identities, training_key
from cutlayer.sim.studies.jobs import Job
from cutlayer.sim.studies.plain_results import attach, restored
from cutlayer.sim.studies.result_store import Store


class NumericsError(UserError):
    """A worker whose results would differ in their last bits."""


@cache
def _numerics(executor: str, device: str, chosen: Numerics) -> dict[str, Any] | None:
    return numerics_of(executor, ExecutorSettings(device=device, numerics=chosen))


@dataclass
class Runner:
    """Runs cells on workers and stores all results in a study's folder.

    Cells are first timed without tensors; then cells with the same learning digest share one training.
    `check_folder` raises OutputError if the folder was removed. `new` counts the clock runs, trainings
    and cells with draws that were not stored before.
    """

    cells: Store
    curves: Store
    draws: Store
    workers: Workers
    executor: str
    data_dir: Path | None
    progress: Progress
    check_folder: Callable[[], None]
    device: str = "cpu"
    new: dict[str, int] = field(default_factory=lambda: {"clock runs": 0, "trainings": 0})

    @property
    def trains(self) -> bool:
        """Whether the study trains."""
        return executor_entry(self.executor).trains

    def numerics(self, cell: Cell) -> dict[str, Any]:
        """Return what the bits of a training depend on in this process; nothing if it trains none."""
        chosen = Numerics.model_validate(cell.scenario.get("numerics", {}))
        return _numerics(self.executor, self.device, chosen) or {}

    def run(self, cells: Sequence[Cell]) -> list[MethodResult]:
        """Return the result of each cell, trained if the study trains.

        Raises OutputError if results cannot be stored, JobError if jobs failed.
        """
        timed = self._time(cells)
        results = [restored(timed[self._address(c)], c.label, c.seed, c.targets) for c in cells]
        if self.trains:
            self._train(list(zip(cells, results, strict=True)))
        return results

    def trained_by(self, cell: Cell, result: MethodResult) -> str | None:
        """Return the key of the training that a cell shares; None if it is trained by itself."""
        if cell.alone or not self.trains or result.learning_digest is None:
            return None
        return self._key(result.learning_digest, cell)

    def _key(self, digest: str, cell: Cell) -> str:
        metrics = metric_identities(cell.scenario)
        return training_key(digest, cell.evaluate_every, self.numerics(cell), metrics)

    def _address(self, cell: Cell) -> str:
        """Return a cell's address; an `alone` cell depends on the numerics as well."""
        if cell.alone:
            return self._key(cell.address, cell)
        return cell.address

    def _time(self, cells: Iterable[Cell]) -> dict[str, dict[str, Any]]:
        """Return the stored result of each cell's clock run, by address."""
        by_address: dict[str, Cell] = {}
        for cell in cells:
            by_address.setdefault(self._address(cell), cell)
        known = self.cells.stored(by_address)
        missing = {address: cell for address, cell in by_address.items() if address not in known}
        groups = together(missing)
        jobs = []
        for group in groups:
            first = group[0][1]
            methods = [cell.scenario["methods"][0] for _, cell in group]
            scenario = {**first.scenario, "methods": methods}
            labels = ", ".join(cell.label for _, cell in group)
            name = f"{first.where}, timing {labels}"
            jobs.append(self._job("alone" if first.alone else "clock", scenario, name))
        self.new["clock runs"] += len(missing)

        def done(number: int, found: dict[str, Any]) -> None:
            for address, cell in groups[number]:
                if cell.alone:
                    self._check_numerics(cell, found[cell.label])
                self.cells.put(address, found[cell.label])
                known[address] = found[cell.label]

        self.do(jobs, done, "clock runs")
        return known

    def _train(self, cells: list[tuple[Cell, MethodResult]]) -> None:
        by_key: dict[str, list[tuple[Cell, MethodResult]]] = {}
        unknown = []
        for cell, result in cells:
            key = self.trained_by(cell, result)
            if key is not None:
                by_key.setdefault(key, []).append((cell, result))
            elif not cell.alone:
                unknown.append((cell, result))
        curves = self.curves.stored(by_key)
        missing = [key for key in by_key if key not in curves]
        wanted = [by_key[key][0] for key in missing] + unknown
        jobs = [
            self._job("train", cell.scenario, f"{cell.where}, training {cell.label}")
            for cell, _ in wanted
        ]
        self.new["trainings"] += len(jobs)

        def done(number: int, curve: dict[str, Any]) -> None:
            self._check_numerics(wanted[number][0], curve)
            if number < len(missing):
                self.curves.put(missing[number], curve)
                curves[missing[number]] = curve
            else:  # its data is unknown, so that it cannot be stored by key
                attach(wanted[number][1], curve)

        self.do(jobs, done, "trainings")
        for key, members in by_key.items():
            for _, result in members:
                attach(result, curves[key])

    def _check_numerics(self, cell: Cell, learned: Mapping[str, Any]) -> None:
        own = self.numerics(cell)
        if learned["numerics"] != own:
            raise NumericsError(
                f"a worker computes with {learned['numerics']}, this process with {own};"
                " curves would not be the same: use workers that are alike"
            )

    def _job(
        self, job_type: Literal["clock", "train", "alone"], scenario: Mapping[str, Any], name: str
    ) -> Job:
        folders = folders_looked_in()
        return Job(job_type, scenario, name, self.executor, self.data_dir, folders, self.device)

    def do(self, jobs: Sequence[AnyJob], done: Callable[[int, Any], None], what: str) -> None:
        """Do jobs, and show how many are done; a result is stored and counted by `done`, or neither."""
        if not jobs:
            return
        count = 0
        self.progress(what, 0, len(jobs), "")

        def one_more(number: int, found: Any) -> None:
            nonlocal count
            self.check_folder()
            with held_back():
                done(number, found)
            count += 1
            self.progress(what, count, len(jobs), "")

        self.workers.run(jobs, one_more, lambda text: self.progress(what, count, len(jobs), text))


def together(cells: dict[str, Cell]) -> list[list[tuple[str, Cell]]]:
    """Group cells that differ in nothing but their method: they share a plan and a job."""
    groups: dict[str, list[tuple[str, Cell]]] = {}
    for address, cell in cells.items():
        shared = repr({k: v for k, v in cell.scenario.items() if k != "methods"}) + str(cell.alone)
        group = groups.setdefault(shared, [])
        if any(other.label == cell.label for _, other in group):
            group = groups.setdefault(f"{shared} {address}", [])
        group.append((address, cell))
    return list(groups.values())
