"""The `inline` executor: runs the chains of a round in sequence, in this process, when it closes.

Only one chain's replicas exist at a time, and members are folded one by one, so memory use does not grow
with the number of clients.
"""

import hashlib
import platform
from collections import Counter
from collections.abc import Sequence

import torch

from cutlayer.sim.learning.aggregation import Aggregation, Shared
from cutlayer.sim.learning.chain import MOMENTS, TRAINED, Chain, Progress, part_of
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.kernels import fingerprint
from cutlayer.sim.learning.replica import State, accuracy
from cutlayer.sim.learning.workspace import Workspace
from cutlayer.sim.process.interrupts import let_in


class Inline:
    """Runs chains on the calling thread; equal digests and equal `numerics()` give equal bits."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._closed = dict(workspace.states)

    def run(
        self, chains: Sequence[Chain], aggregation: Aggregation, progress: Progress | None
    ) -> None:
        """Run a round's chains in order and apply their writes, then fold their members.

        If it is interrupted, the states remain those of the last closed round.
        """
        self._closed = dict(self.workspace.states)
        try:
            with let_in():
                self._run(chains, aggregation, progress)
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """Restore the states from before the last `run`."""
        self.workspace.states = dict(self._closed)

    def _run(
        self, chains: Sequence[Chain], aggregation: Aggregation, progress: Progress | None
    ) -> None:
        totals: Counter[str] = Counter()
        for chain in chains:
            totals.update(dict.fromkeys(chain.averages, chain.weight))
        sums: dict[str, State] = {}
        for done, chain in enumerate(chains, start=1):
            run = ChainRun(chain, self.workspace)
            run.execute()
            for part in chain.averages:
                share = chain.weight / totals[part]
                aggregation.add(sums.setdefault(part, {}), run.replica(part).state(), share)
            self.workspace.states.update(run.written)
            if progress is not None:
                progress(done, len(chains))
        states = self.workspace.states
        for part, total in sums.items():
            kept = f"{MOMENTS}/{part}"
            shared = Shared(states[part], states.get(kept, {}))
            folded = aggregation.close(shared, total, self.workspace.parameters(part))
            states[part] = folded.weights
            if folded.moments:
                states[kept] = folded.moments

    def accuracy(self, parts: Sequence[tuple[str, ...]]) -> float:
        """Return the mean test accuracy of the models that `parts` name.

        BatchNorm uses its running statistics, or those of each evaluation batch if it has none.
        """
        return sum(self._accuracy_of(names) for names in parts) / len(parts)

    def finite(self, parts: Sequence[tuple[str, ...]]) -> bool:
        """Return whether all weights of the models that `parts` name are finite."""
        states = [self.workspace.states[name] for names in parts for name in names]
        return all(bool(torch.isfinite(value).all()) for s in states for value in s.values())

    def _accuracy_of(self, names: tuple[str, ...]) -> float:
        states = self.workspace.states
        modules = [self.workspace.module(part_of(name), states[name]).eval() for name in names]
        with self.workspace.drawing("evaluation"):
            test = self.workspace.feed.test_batches
            return accuracy(modules, ((self.workspace.converted(x), y) for x, y in test))

    def weights_digest(self) -> str:
        """Return a fingerprint of all trained weights, which does not depend on the cut."""
        fingerprint = hashlib.blake2b(digest_size=16)
        weights: State = {}
        for name, state in self.workspace.states.items():
            if part_of(name) in TRAINED:
                prefix = "" if name in ("device", "server") else f"{name}:"
                weights |= {prefix + key: value for key, value in state.items()}
        for name in sorted(weights):
            fingerprint.update(name.encode())
            fingerprint.update(weights[name].contiguous().numpy().tobytes())
        return fingerprint.hexdigest()


def numerics() -> dict[str, str | int]:
    """Return what determines the bits of a training in addition to its digest.

    `kernels` is a measured fingerprint; the other entries describe the environment.
    """
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "dtype": str(torch.get_default_dtype()),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "kernels": fingerprint(),
        "executor": "inline",
    }
