"""Control of the random numbers that modules draw from the process's global generators.

Dropout draws from torch's global generator and accepts no other; a user's module may also use those of
numpy and `random`. Code that runs such modules saves the states of all three, seeds them from a named
stream, and restores them. Not covered: a generator that a module keeps for itself.

Setting all three takes as long as a small layer, so it is skipped for layers that are known not to draw
(`draws_of`): most of torch's and Cutlayer's own.
"""

# ruff: noqa: NPY002 - users' modules draw from numpy's global generator

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from hashlib import blake2b
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.random.mtrand import get_bit_generator, set_bit_generator
from torch import Tensor, nn

ACCELERATORS: Final = ("cuda", "mps")  # the types of devices with generators of their own

M = TypeVar("M", bound=nn.Module)

_OF_TORCH: Final = "torch.nn.modules."
_SILENT: Final = (  # modules of torch.nn.modules whose layers do not draw, except `_LOUD`
    "activation",
    "batchnorm",
    "channelshuffle",
    "container",
    "conv",
    "flatten",
    "fold",
    "instancenorm",
    "linear",
    "normalization",
    "padding",
    "pixelshuffle",
    "pooling",
    "sparse",
    "upsampling",
)
_LOUD: Final = ("RReLU", "MultiheadAttention", "FractionalMaxPool2d", "FractionalMaxPool3d")
_HOOKS: Final = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Draws(IntEnum):
    """The global generators from which a module may draw."""

    NOTHING = 0
    TORCH = 1
    ANYTHING = 2


def draws_of(module: nn.Module) -> Draws:
    """Return from which generators a module may draw, as far as the types of its layers tell.

    A layer of torch draws from torch's generator or not at all. A class with the attribute
    `draws = False` does not draw itself, and any other may draw from all generators, as may a layer with
    hooks or a forward pass of its own.
    """
    return max(map(_draws_of_layer, module.modules()))


def _draws_of_layer(layer: nn.Module) -> Draws:
    kind = type(layer)
    if "forward" in vars(layer) or any(getattr(layer, hooks) for hooks in _HOOKS):
        return Draws.ANYTHING
    if vars(kind).get("draws") is False:
        return Draws.NOTHING
    if not kind.__module__.startswith(_OF_TORCH):
        return Draws.ANYTHING
    silent = kind.__module__.removeprefix(_OF_TORCH) in _SILENT and kind.__name__ not in _LOUD
    return Draws.NOTHING if silent else Draws.TORCH


def seed_of(seed: int, purpose: str, *key: int | str) -> int:
    """Return a 63-bit seed that depends on every part of a stream's name and on nothing else."""
    name = "\x1f".join([str(seed), purpose, *map(str, key)])
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) >> 1


@contextmanager
def borrowed_generators() -> Iterator[None]:
    """Restore torch's (CPU), numpy's and `random`'s global generators when the block ends."""
    of_torch = torch.default_generator.get_state()
    of_random = random.getstate()
    bits, of_numpy = get_bit_generator(), np.random.get_state(legacy=False)
    set_bit_generator(np.random.MT19937(0))
    try:
        yield
    finally:
        torch.default_generator.set_state(of_torch)
        random.setstate(of_random)
        set_bit_generator(bits)
        np.random.set_state(of_numpy)


def seed_generators(number: int, draws: Draws = Draws.ANYTHING) -> None:
    """Seed generators that are drawn from; the caller restores them (`borrowed_generators`)."""
    if draws >= Draws.TORCH:
        torch.default_generator.manual_seed(number)
    if draws == Draws.ANYTHING:
        np.random.seed(number % 2**32)
        random.seed(number)


@contextmanager
def borrowed_accelerator(device: torch.device) -> Iterator[None]:
    """Restore the generator of torch's current accelerator when the block ends, if `device` is one."""
    state = accelerator_state(device)
    try:
        yield
    finally:
        if state is not None:
            torch.get_device_module(device).set_rng_state(state)


def accelerator_state(device: torch.device) -> Tensor | None:
    """Return the state of the generator of torch's current accelerator; None if `device` is none."""
    if device.type not in ACCELERATORS:
        return None
    state: Tensor = torch.get_device_module(device).get_rng_state()
    return state


def seed_accelerator(number: int, device: torch.device) -> None:
    """Seed the generator of torch's current accelerator, if `device` is one."""
    if device.type in ACCELERATORS:
        torch.get_device_module(device).manual_seed(number)


def initialised(
    make: Callable[[], M], *, seed: int, device: str = "cpu", stream: str | None = None
) -> M:
    """Build a module with `make`, drawing its weights from `seed`; global generators are unchanged.

    Modules built from the same seed start from the same random numbers unless they have a `stream`,
    named after the module. Weights are drawn on the CPU and then moved, so they do not depend on the
    device; on `meta` there are none.
    """
    with borrowed_generators():
        seed_generators(seed if stream is None else seed_of(seed, f"initial {stream}"))
        if device == "meta":
            with torch.device("meta"):
                return make()
        return make().to(device)
