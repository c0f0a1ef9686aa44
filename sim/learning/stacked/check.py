"""Checks whether a part of the model can run side by side, at its first forward pass in a run.

A user's model may draw random numbers (dropout), whose streams belong to single chains, branch on
values, or use operations that `vmap` has no rule for. The outputs of the first lane are therefore
compared with those of the plain module once.
"""

import random
from collections.abc import Callable, Hashable

import numpy as np
import torch
from torch import Tensor

from cutlayer.models.draws import (
    accelerator_state,
    borrowed_accelerator,
    borrowed_generators,
    seed_generators,
)

Run = Callable[[Tensor], Tensor]


class NotStackedError(Exception):
    """Why chains cannot run side by side; they run one after another instead."""


class Checks:
    """The parts, by name, that were found to run side by side.

    `epsilon` is the relative error of a single operation.
    """

    def __init__(self, epsilon: float = torch.finfo(torch.float32).eps) -> None:
        self._epsilon = epsilon
        self._passed: set[Hashable] = set()

    def outputs(self, name: Hashable, stacked: Run, plain: Run, inputs: Tensor) -> Tensor:
        """Return `stacked` of inputs [lanes, batch, ...]; the first time, compare it with `plain`.

        `plain` computes the outputs of the first lane [batch, ...]. Raises NotStackedError.
        """
        if name in self._passed:
            return _side_by_side(stacked, inputs)
        expected = _without_draws(plain, inputs[0].detach().clone())
        outputs = _side_by_side(stacked, inputs)
        if not _close(outputs[0].detach(), expected, self._epsilon):
            raise NotStackedError("the model gives other results side by side")
        self._passed.add(name)
        return outputs


def _side_by_side(stacked: Run, inputs: Tensor) -> Tensor:
    try:
        return stacked(inputs)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise NotStackedError(f"torch cannot run the model side by side: {reason}") from error


def _without_draws(plain: Run, inputs: Tensor) -> Tensor:
    """Return the outputs of a module, which must not draw from a global generator."""
    with borrowed_generators(), borrowed_accelerator(inputs.device), torch.no_grad():
        seed_generators(0)
        before = _drawn(inputs.device)
        outputs = plain(inputs)
        if _drawn(inputs.device) != before:
            raise NotStackedError("the model draws random numbers, as dropout does")
    return outputs


def _drawn(device: torch.device) -> tuple[object, ...]:
    """Return the states of torch's, `random`'s and numpy's global generators."""
    numpy = np.random.get_state(legacy=False)["state"]  # noqa: NPY002 - users' modules draw from it
    state = numpy["key"].tobytes(), int(numpy["pos"])
    own = accelerator_state(device)
    of_torch = torch.default_generator.get_state().tolist()
    return of_torch, own if own is None else own.tolist(), random.getstate(), state


def _close(outputs: Tensor, expected: Tensor, epsilon: float) -> bool:
    """Return whether values agree in half of their digits; values that are not finite agree."""
    if outputs.shape != expected.shape:
        return False
    if not expected.isfinite().all():
        return True
    limit = epsilon**0.5 * expected.abs().max()
    return bool((outputs - expected).abs().max() <= limit)
