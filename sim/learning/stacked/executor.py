"""The `stacked` executor: chains of equal shape run side by side, the others as with `inline`.

Results differ from those of `inline` by rounding only, since the same sums are taken in another order.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import islice
from typing import Any

import torch

from cutlayer.sim.learning.accelerator import prepare
from cutlayer.sim.learning.chain import Chain, Progress
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.executor import ExecutorSettings
from cutlayer.sim.learning.fold import Fold
from cutlayer.sim.learning.inline import Inline, InlineRuntime
from cutlayer.sim.learning.pending import ChainReport
from cutlayer.sim.learning.stacked.check import Checks, NotStackedError
from cutlayer.sim.learning.stacked.eligible import Fit, fit, in_order_of_length
from cutlayer.sim.learning.stacked.forms import FORMS
from cutlayer.sim.learning.stacked.stack import Stack
from cutlayer.sim.learning.workspace import Workspace

LANES = 32  # by default, at most this many chains run side by side
ALONE = "no other chain has the same shape"
ONE_AT_A_TIME = "--jobs 1"


class Tally:
    """How many chains ran side by side, and why the others did not."""

    def __init__(self) -> None:
        self.stacked = 0
        self.reasons: Counter[str] = Counter()

    def __str__(self) -> str:
        """Return a line for the user."""
        total = self.stacked + self.reasons.total()
        text = f"stacked: {self.stacked} of {total} chains ran side by side"
        if not self.reasons:
            return text
        reasons = "; ".join(f"{why} ({count})" for why, count in self.reasons.most_common())
        return f"{text}, the others one after another: {reasons}"


class StackedRuntime(InlineRuntime):
    """Trains on the calling thread, at most `jobs` chains side by side (default: `LANES`)."""

    def __init__(self, settings: ExecutorSettings) -> None:
        super().__init__(settings)
        self.lanes = settings.jobs or LANES
        self.tally = Tally()

    def executor(self, workspace: Workspace) -> "Stacked":
        """Return an executor for a method's run; weights stay on the device between rounds."""
        prepare(self.device)
        workspace.place(self.device, home=self.device)
        return Stacked(workspace, self.lanes, self.tally)

    def numerics(self) -> dict[str, Any]:
        """Return what determines the bits of a training in addition to its digest."""
        return super().numerics() | {"executor": "stacked", "lanes": self.lanes}

    def __exit__(self, *error: object) -> None:
        """Say how many chains ran side by side."""
        super().__exit__(*error)
        if self.tally.stacked or self.tally.reasons:
            self.settings.note(str(self.tally))


class Stacked(Inline):
    """Runs the chains of a fold in stacks of at most `lanes`."""

    def __init__(self, workspace: Workspace, lanes: int, tally: Tally) -> None:
        super().__init__(workspace)
        self._lanes = lanes
        self._tally = tally
        mixed = workspace.numerics.dtype == "bfloat16"
        self._checks = Checks(torch.finfo(torch.bfloat16 if mixed else workspace.dtype).eps)
        self._refused: dict[Hashable, str] = {}  # why chains of a kind cannot run side by side
        self._coming: dict[Chain, Fit] = {}  # the chains of the fold that have not run
        self._finished: dict[Chain, ChainRun] = {}

    def _run(
        self, chains: Sequence[Chain], fold: Fold, progress: Progress | None
    ) -> list[ChainReport]:
        self._coming = {chain: fit(chain, FORMS) for chain in chains}
        try:
            return super()._run(chains, fold, progress)
        finally:
            self._coming, self._finished = {}, {}

    def _executed(self, chain: Chain) -> ChainRun:
        """Run a chain and, beside it, others of the fold."""
        if chain not in self._finished:
            why = self._run_beside_others(chain)
            if why is not None:
                del self._coming[chain]
                self._tally.reasons[why] += 1
                return super()._executed(chain)
        return self._finished.pop(chain)

    def _run_beside_others(self, chain: Chain) -> str | None:
        """Run a stack with this chain; return why not if it cannot."""
        own = self._coming[chain]
        why = own.why_not or self._refused.get(own.kind)
        if why is not None:
            return why
        if self._lanes == 1:
            return ONE_AT_A_TIME
        together = [one for one, other in self._coming.items() if other == own]
        together = list(islice(filter(self._ready, together), self._lanes))
        if chain not in together or len(together) == 1:
            return ALONE
        stack = Stack(in_order_of_length(together), self.workspace, FORMS, self._checks)
        try:
            stack.execute()
        except NotStackedError as error:
            self._refused[own.kind] = str(error)
            return str(error)
        for run in stack.runs:
            self._finished[run.chain] = run
            del self._coming[run.chain]
        self._tally.stacked += len(together)
        return None

    def _ready(self, chain: Chain) -> bool:
        """Return whether a chain has not run yet, and all states that it reads are there."""
        states = self.workspace.states
        return chain not in self._early and all(
            states.has(key, version) for key, version in chain.versions.items()
        )
