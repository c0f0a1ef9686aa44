"""Run the clock for draws of the uncertain figures, with the learning of a run that has ended.

All methods of a draw have the same figures, so that their comparison is paired. Nothing is trained: the
accuracy of a round is that of the run, by its number.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from cutlayer.errors import UserError
from cutlayer.models.catalogue import MODELS
from cutlayer.models.given_objects import given_names
from cutlayer.models.own_object import beside, folders_looked_in, looking_in
from cutlayer.scenarios.load import Loaded, load_text
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.plan import Plan, make_plan
from cutlayer.sim.data.datasets import DATASETS
from cutlayer.sim.methods.registry import OPTIONS
from cutlayer.sim.process.cores import cores
from cutlayer.sim.process.jobs import Here, Processes, Workers
from cutlayer.sim.process.tasks import Note
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.results.write import write_draws
from cutlayer.sim.run.play import play
from cutlayer.sim.tasks.metric import ACCURACY
from cutlayer.sim.uncertainty.draw import drawn_topology
from cutlayer.sim.uncertainty.factors import Factors
from cutlayer.sim.uncertainty.statistics import columns_of, summary_of

JOBS: Final = 50  # into which the draws are divided: as often the progress moves
ALONE_S: Final = 10.0  # draws that take less are made in this process: workers start slowly
MIN_DRAWS: Final = 2  # of which an interval is made

Progress = Callable[[str, int, int, str], None]  # what, done, total, what is next


class DrawError(UserError):
    """A draw that the clock cannot time: its figures need more events than the scenario allows."""


class Learned(NamedTuple):
    """What draws take from the run of a method: the task's metric by round, the digest, the rounds."""

    values: tuple[tuple[int, float], ...]
    digest: str | None
    rounds: int


class Timed(NamedTuple):
    """A method's times in a draw, None where it could not end; `same` if it learned what the run did."""

    round_time_s: float | None
    virtual_time_s: float | None
    target_s: float | None
    same: bool


@dataclass(frozen=True)
class Draw:
    """One draw: the factors, and the times of each method by label."""

    factors: Mapping[str, float]
    methods: Mapping[str, Timed]


@dataclass(frozen=True)
class DrawsJob:
    """The draws from `first` on, up to `end`, of a resolved scenario (JSON) with the seed of a run."""

    scenario: str
    seed: int
    learned: Mapping[str, Learned]
    target: float | None
    first: int
    end: int
    folders: tuple[str, ...] = ()
    where: str = ""  # the point of a study

    @property
    def name(self) -> str:
        """What the job does."""
        before = f"{self.where}, " if self.where else ""
        return f"{before}draws {self.first} to {self.end - 1}"

    def perform(self, _: Note) -> list[Draw]:
        """Return the draws."""
        with looking_in(self.folders):
            plan, factors = _plan(self.scenario, self.seed, self.folders)
            return [self._draw(plan, factors, number) for number in range(self.first, self.end)]

    def _draw(self, plan: Plan, factors: Factors, number: int) -> Draw:
        own = plan.scenario.uncertainty
        seed = self.seed if own is None or own.seed is None else own.seed
        drawn = factors.draw(seed, number)
        at_draw = replace(plan, topology=drawn_topology(plan.topology, drawn))
        entries = [entry for entry in plan.scenario.methods if entry.label in self.learned]
        try:
            timed = {entry.label: self._time(at_draw, entry) for entry in entries}
        except UserError as error:
            raise DrawError(f"draw {number}: {error}") from None
        return Draw(drawn, timed)

    def _time(self, plan: Plan, entry: MethodEntry) -> Timed:
        learned = self.learned[entry.label]
        unknown = dict.fromkeys(("weights_digest", "diverged_in_round"))
        metric = plan.task.metric
        curve: dict[str, Any] = {metric.name: learned.values}
        if metric != ACCURACY:
            curve = {"metrics": [(index, {metric.name: v}) for index, v in learned.values]}
        result = play(plan, entry, curve={**curve, **unknown})
        same = result.learning_digest == learned.digest or len(result.rounds) != learned.rounds
        if result.stalled or not result.rounds:
            return Timed(None, None, None, same)
        target_s = None if self.target is None else result.time_to(self.target)
        return Timed(
            result.mean_of(lambda r: r.round_time_s), result.virtual_time_s, target_s, same
        )


@lru_cache(maxsize=1)
def _plan(scenario: str, seed: int, folders: tuple[str, ...]) -> tuple[Plan, Factors]:
    """Return the plan of a scenario and its factors, shared by the draws of a process."""
    del folders  # a user's model of the same name in another folder is another model
    loaded = load_text(
        scenario, source="a resolved scenario", methods=OPTIONS, models=MODELS, datasets=DATASETS
    )
    plan = make_plan(loaded.scenario, seed)
    return plan, Factors.of(plan)


def add_draws(
    loaded: Loaded,
    results: Sequence[RunResult],
    *,
    jobs: int | None = 1,
    progress: Progress = lambda *_: None,
) -> None:
    """Add the draws that a scenario asks for to the result of its first seed, and to its folder if any.

    `jobs` is the number of processes, None for as many as pay off; the draws do not depend on it.
    Ctrl-C keeps the draws that are finished, in order. Nothing is added if a seed was stopped, nor if
    fewer than two draws were finished. Raises DrawError or JobError if a draw fails, OutputError if the
    files cannot be written.
    """
    section = loaded.scenario.uncertainty
    result = results[0]
    if any(given_names(loaded.document.data)):
        jobs = 1  # other processes cannot import these objects
    if section is None or any(one.status == "stopped" for one in results):
        return
    learned = learned_by(result)
    with looking_in(beside(loaded.document.source)):
        whole = DrawsJob(
            json.dumps(loaded.resolved()),
            result.seed,
            learned,
            target_of(result),
            0,
            section.draws,
            folders_looked_in(),
        )
        draws = _made(whole, jobs, progress) if learned else []
    if len(draws) < MIN_DRAWS:
        return
    _fill(result, draws, section.interval)
    result.uncertainty = {**result.uncertainty, "notes": _notes(loaded, result, draws)}
    if result.path is not None:
        write_draws(result.path, result)


def target_of(result: RunResult) -> float | None:
    """Return the target whose time is drawn: the best one that all methods, or any, reached."""
    methods = result.methods.values()
    reached = [
        [target for target in method.targets if method.time_to(target) is not None]
        for method in methods
    ]
    by_all = [
        target for target in (reached[0] if reached else ()) if all(target in r for r in reached)
    ]
    best = next((method.metric.best for method in methods), ACCURACY.best)
    return best(by_all or [target for r in reached for target in r])


def learned_from(method: MethodResult) -> Learned:
    """Return what a method learned in its run."""
    known = ((r.index, r.value(method.metric.name)) for r in method.rounds)
    values = tuple((index, value) for index, value in known if value is not None)
    return Learned(values, method.learning_digest, len(method.rounds))


def learned_by(result: RunResult) -> dict[str, Learned]:
    """Return what the methods of a run learned, by label, without those that stalled."""
    return {
        label: learned_from(method)
        for label, method in result.methods.items()
        if method.rounds and not method.stalled
    }


def _made(whole: DrawsJob, jobs: int | None, progress: Progress) -> list[Draw]:
    """Make the draws of a job in parts; return those before the first that Ctrl-C left out."""
    count = whole.end
    size = max(1, count // JOBS)
    parts = [replace(whole, first=at, end=min(at + size, count)) for at in range(0, count, size)]
    made: dict[int, list[Draw]] = {}

    def run(workers: Workers, numbers: Sequence[int]) -> None:
        def done(number: int, draws: list[Draw]) -> None:
            made[numbers[number]] = draws
            progress("draws", sum(map(len, made.values())), count, "")

        with workers:
            workers.run([parts[number] for number in numbers], done, lambda _: None)

    progress("draws", 0, count, "")
    try:
        if jobs is None:
            begun = time.monotonic()
            run(Here(None), [0])
            left_s = (time.monotonic() - begun) * (len(parts) - 1)
            jobs = 1 if left_s < ALONE_S else cores()
        numbers = [number for number in range(len(parts)) if number not in made]
        run(Here(None) if jobs == 1 else Processes(jobs, None, preload=[__name__]), numbers)
    except KeyboardInterrupt:
        pass  # the draws that are finished are kept
    first_missing = next((n for n in range(len(parts)) if n not in made), len(parts))
    return [draw for number in range(first_missing) for draw in made[number]]


def _fill(result: RunResult, draws: Sequence[Draw], interval: float) -> None:
    """Store the draws as rows, and their summary."""
    target = target_of(result)
    result.draws = [
        {
            "draw": number,
            "label": label,
            "round_time_s": timed.round_time_s,
            "virtual_time_s": timed.virtual_time_s,
            **({} if target is None else {"target_s": timed.target_s}),
        }
        for number, draw in enumerate(draws)
        for label, timed in draw.methods.items()
    ]
    result.factors = [{"draw": number, **draw.factors} for number, draw in enumerate(draws)]
    factors = {name: [draw.factors[name] for draw in draws] for name in draws[0].factors}
    result.uncertainty = summary_of(columns_of(result.draws), factors, interval)
    if target is not None:
        result.uncertainty["target"] = target


def _notes(loaded: Loaded, result: RunResult, draws: Sequence[Draw]) -> list[str]:
    """Return what a reader of the intervals should know."""
    notes = []
    section = loaded.scenario.uncertainty
    assert section is not None
    if len(draws) < section.draws:
        notes.append(f"Ctrl-C ended the draws: {len(draws)} of {section.draws} were finished.")
    if len(loaded.scenario.all_seeds) > 1:
        notes.append(f"The draws are of seed {result.seed} only.")
    other = [
        label for label in draws[0].methods if not all(draw.methods[label].same for draw in draws)
    ]
    if other and any("target_s" in row for row in result.draws):
        notes.append(
            f"Who takes part in {', '.join(other)} depends on the times of a draw; the accuracy of a"
            " round is that of the run with the stated figures."
        )
    stuck = [
        label
        for label in draws[0].methods
        if any(draw.methods[label].round_time_s is None for draw in draws)
    ]
    if stuck:
        notes.append(f"In some draws {', '.join(stuck)} cannot end, and has no interval.")
    return notes
