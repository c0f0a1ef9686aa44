"""Checks of codecs: that messages use them, and that they fit what is sent."""

from collections.abc import Iterator
from typing import Final

from pydantic import ValidationError

from cutlayer.scenarios.codec import Identity
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.scenarios.problems import Problem
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.codecs.codecs import DIRECTIONS, OF_WEIGHTS, Codecs, Direction
from cutlayer.sim.methods.method import Method
from cutlayer.sim.methods.registry import UnknownMethodError, options_of

_SENT: Final[dict[Direction, str]] = {
    "up": "activations",
    "down": "gradients",
    "weights_up": "trained weights",
    "weights_down": "weights to clients",
}


CHANGES_NUMBERS: Final = "rounding would change the whole numbers that cross beside activations"


def codec_problems(loaded: Loaded, plan: Plan) -> Iterator[Problem]:
    """Yield a problem for each codec that no method uses, or that does not fit its tensors."""
    section = plan.scenario.codec
    known = [_directions(entry) for entry in plan.scenario.methods]
    for direction in (*DIRECTIONS, *OF_WEIGHTS) if section is not None else ():
        if isinstance(getattr(section, direction), Identity) or None in known:
            continue
        users = [one[0] for one in known if one is not None and direction in one[1]]
        if not users:
            rule = f"has no effect: no method of this scenario sends {_SENT[direction]}"
            yield loaded.problem(("codec", direction), rule)
            continue
        if direction in OF_WEIGHTS:
            continue
        codec = Codecs(section).of(direction)
        assert codec is not None, "only identity changes nothing"
        for cut in sorted({cut for method in users for cut in plan.cuts(method)}):
            complaint = codec.problem(plan.model.activation_shape(cut))
            if direction == "up" and not codec.lossless and cut in plan.model.whole_numbers:
                complaint = CHANGES_NUMBERS
            if complaint is not None:
                yield loaded.problem(("codec", direction, codec.name), f"{complaint}, at cut {cut}")
                break


def _directions(entry: MethodEntry) -> tuple[type[Method], tuple[Direction, ...]] | None:
    """Return a method and the messages that it sends; None if its entry is refused elsewhere."""
    try:
        method, options = options_of(entry)
    except (UnknownMethodError, ValidationError):
        return None
    return method, method.directions(options)
