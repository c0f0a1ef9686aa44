"""The `inline` executor: runs chains in sequence, in this process, when they are folded.

Only one chain's replicas exist at a time, except those of interleaved chains, and members are folded one
by one, so memory use does not grow with the number of clients.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Self

from cutlayer.sim.learning.accelerator import device_of, prepare
from cutlayer.sim.learning.aggregation import Aggregation, Shared
from cutlayer.sim.learning.chain import Chain, Group, Progress
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.evaluation import all_finite, combined, evaluate_batches, modules_of
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.fold import Fold
from cutlayer.sim.learning.inline_mark import InlineMark
from cutlayer.sim.learning.interleaved import Interleaved
from cutlayer.sim.learning.interleaved_execution import GroupRun
from cutlayer.sim.learning.numerics import numerics
from cutlayer.sim.learning.pending import ChainReport, Completed, Evaluation, Reports
from cutlayer.sim.learning.replica import State
from cutlayer.sim.learning.state_key import MOMENTS, StateKey
from cutlayer.sim.learning.workspace import Workspace
from cutlayer.sim.process.allocator import keep_memory
from cutlayer.sim.process.interrupts import let_in


class InlineRuntime:
    """Trains on the calling thread; equal digests and equal `numerics()` give equal bits.

    Raises TrainingDeviceError if the device of the settings is not available.
    """

    jobs = 1
    queued = 0

    def __init__(self, settings: ExecutorSettings) -> None:
        self.settings = settings
        self.device = device_of(settings.device)

    def __enter__(self) -> Self:
        keep_memory()
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def executor(self, workspace: Workspace) -> "Inline":
        """Return an executor for a method's run."""
        prepare(self.device)
        workspace.place(self.device)
        return Inline(workspace)

    def wait(self) -> None:
        """Return at once: all work is done when it is issued."""

    def numerics(self) -> dict[str, Any]:
        """Return what determines the bits of a training in addition to its digest."""
        return numerics(self.device, self.settings.numerics)


class Inline:
    """Runs chains on the calling thread, when they are folded."""

    ahead = 0

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._groups: dict[Group, GroupRun] = {}
        self._open: dict[Chain, None] = {}
        self._early: dict[Chain, ChainRun] = {}  # chains that have run and are not folded yet

    def hold(self, chain: Chain) -> None:
        """Keep the versions that a chain reads until `release`."""
        self._open[chain] = None
        self.workspace.states.hold(chain.versions)

    def release(self, chain: Chain) -> None:
        """Free the versions of a chain that has run, or will not run."""
        group = chain.group
        if group is not None:
            self._group(group).leave(chain)
        if chain in self._early:
            self._early.pop(chain).give_back()
        del self._open[chain]
        if group is not None and all(other.group is not group for other in self._open):
            del self._groups[group]
        self.workspace.states.release(chain.versions)

    def run(self, chains: Sequence[Chain], fold: Fold, progress: Progress | None) -> Reports:
        """Run chains in order and apply their writes, then fold their members."""
        with let_in():
            return Completed(self._run(chains, fold, progress))

    def _run(
        self, chains: Sequence[Chain], fold: Fold, progress: Progress | None
    ) -> list[ChainReport]:
        states = self.workspace.states
        sums: dict[StateKey, State] = {}
        weights = {key: dict(members) for key, members in fold.members.items()}
        totals = {key: fold.total_of(key) for key in weights}
        reports = []
        for done, chain in enumerate(chains, start=1):
            run = self._executed(chain)
            reports.append(run.report())
            for key in chain.averages:
                if chain not in weights.get(key, ()):
                    continue
                share, total = weights[key][chain] / totals[key], sums.setdefault(key, {})
                fold.aggregation.add(total, run.member(key), share)
                if fold.deltas and (start := run.read(key)) is not states[key]:
                    fold.aggregation.add_difference(total, states[key], start, share)
            for key, value in run.written.items():
                states.put(key, chain.written[key], value)
            del run  # free its replicas before the next chain creates its own
            if progress is not None:
                progress(done, len(chains))
        for key, total in sums.items():
            missing = totals[key] - sum(weights[key].values())
            if missing:
                fold.aggregation.add(total, states[key], missing / totals[key])
            self._put_folded(key, total, fold.aggregation, fold.versions)
        return reports

    def merge(
        self,
        target: StateKey,
        members: Sequence[tuple[StateKey, float]],
        aggregation: Aggregation,
        versions: Mapping[StateKey, int],
    ) -> None:
        """Fold states into another one of the same part."""
        total: State = {}
        weight = sum(weight for _, weight in members)
        for key, own in members:
            aggregation.add(total, self.workspace.states[key], own / weight)
        self._put_folded(target, total, aggregation, versions)

    def assign(self, target: StateKey, source: StateKey, version: int) -> None:
        """Set a state to the value of another one."""
        self.workspace.states.put(target, version, self.workspace.states[source])

    def forget(self, key: StateKey) -> None:
        """Remove a state."""
        self.workspace.states.remove(key)

    def publish(self, group: Interleaved) -> Reports:
        """Run the operations so far, and make copies of the trunk's states current."""
        run = self._group(group).finished(group.trunk)
        for key, value in run.written.items():
            self.workspace.states.put(key, group.trunk.written[key], deepcopy(value))
        run.written.clear()
        return Completed([run.report()])

    def _put_folded(
        self,
        key: StateKey,
        total: State,
        aggregation: Aggregation,
        versions: Mapping[StateKey, int],
    ) -> None:
        states, moments = self.workspace.states, key.of_kind(MOMENTS)
        before = Shared(states[key], states.get(moments, {}))
        folded = aggregation.close(before, total, self.workspace.parameters(key))
        states.put(key, versions[key], folded.weights)
        if folded.moments:
            states.put(moments, versions[moments], folded.moments)

    def _executed(self, chain: Chain) -> ChainRun:
        """Run a chain and, in its group, the operations issued before."""
        if chain.group is not None:
            return self._group(chain.group).finished(chain)
        self._run_writers(chain)
        run = self._early.get(chain)
        if run is None:
            run = ChainRun(chain, self.workspace)
            run.execute()
        return run

    def _run_writers(self, chain: Chain) -> None:
        """Run chains early that write what a chain reads, if they are folded after it."""
        states = self.workspace.states
        for key, version in chain.versions.items():
            if states.has(key, version):
                continue
            writer = next(one for one in self._open if one.written.get(key) == version)
            self._run_writers(writer)
            run = self._early[writer] = ChainRun(writer, self.workspace, exclusive=True)
            run.execute()
            for own, value in run.written.items():
                states.put(own, writer.written[own], value)
            run.written.clear()

    def _group(self, group: Group) -> GroupRun:
        if group not in self._groups:
            self._groups[group] = GroupRun(group, self.workspace)
        return self._groups[group]

    def evaluate(
        self, models: Sequence[tuple[StateKey, ...]], weights: Sequence[int]
    ) -> Completed[Evaluation]:
        """Evaluate models, each named by the states of its parts, on the test set."""
        with let_in():
            states = [[self.workspace.states[key] for key in keys] for keys in models]
            counts = [
                evaluate_batches(self.workspace, modules_of(self.workspace, keys, values))
                for keys, values in zip(models, states, strict=True)
            ]
            finite = all_finite(state for values in states for state in values)
            return Completed(combined(self.workspace.task, counts, weights, finite))

    def mark(self) -> "InlineMark":
        """Return the states of a round that closes."""
        groups = dict.fromkeys(chain.group for chain in self._open if chain.group is not None)
        return InlineMark(self.workspace.states, [self._groups.get(group) for group in groups])

    def restore(
        self,
        values: Mapping[tuple[StateKey, int], Any],
        versions: Mapping[StateKey, int],
        chains: Sequence[Chain],
        groups: Sequence[Any],
    ) -> None:
        """Continue from a mark of an earlier run, before any chain is held."""
        assert not self._open, "chains have been opened"
        at_home = self.workspace.at_home
        kept = {(key, version): at_home(key, value) for (key, version), value in values.items()}
        self.workspace.states.restore(kept, versions)
        for chain in chains:
            self.hold(chain)
        of_group: dict[Group, list[Chain]] = {}
        for chain in chains:
            if chain.group is not None:
                of_group.setdefault(chain.group, []).append(chain)
            elif any(versions.get(key, -1) >= own for key, own in chain.written.items()):
                # It has run, since another chain has read what it writes. It runs again as a member.
                run = self._early[chain] = ChainRun(chain, self.workspace, exclusive=True)
                run.execute()
                run.written.clear()
        for (group, members), value in zip(of_group.items(), groups, strict=True):
            if value is not None:
                self._groups[group] = GroupRun.load(group, self.workspace, value, members)

    def close(self) -> None:
        """Free the replicas of groups."""
        self._groups.clear()
        self._early.clear()
