"""Checks that the parts that a method trains have anything to train."""

from collections.abc import Iterator

from cutlayer.scenarios.problems import KeyPath
from cutlayer.sim.build.cuts import cut_path
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.control.controller import CUTS
from cutlayer.sim.methods.method import Method


def frozen_part(plan: Plan, method: type[Method], label: str) -> tuple[KeyPath, str] | None:
    """Return where and why a method has nothing to train in a part that it trains, or None.

    A method that also works without a device block, or without a server block, needs nothing to train
    there: SplitFed sends no gradients to devices whose block is frozen.
    """
    if not (plan.scenario.model.tuning.freezes and method.needs_both_blocks):
        return None
    trained = [block.trained_parameters > 0 for block in plan.blocks]
    for where, cut in _cuts(plan, method):
        device, server = any(trained[:cut]), any(trained[cut:])
        first, last = trained.index(True) + 1, len(trained) - 1 - trained[::-1].index(True)
        if not device and not method.freezes_device:
            rule = f"{label} trains the device block, and everything before cut {cut} is frozen"
            nearest = f"a cut from {first} to {last}" if first <= last else "more to train"
            return where, f"{rule}: choose {nearest}, or ecofed, which never trains it"
        if not server:
            rule = f"{label} trains the server block, and everything after cut {cut} is frozen"
            nearest = f"a cut up to {last}" if last else "more to train"
            return where, f"{rule}: choose {nearest}, or classic_fl, which trains on devices only"
    return None


def _cuts(plan: Plan, method: type[Method]) -> Iterator[tuple[KeyPath, int]]:
    """Yield the cuts of a method and where the scenario gives them."""
    last = len(plan.blocks)
    if plan.controlled(method, CUTS):
        for cut in plan.cuts(method):
            yield ("control",), cut
        return
    for name, cut in plan.named_cuts.items():
        yield cut_path(plan.scenario.model, name), method.cut(cut, last)
