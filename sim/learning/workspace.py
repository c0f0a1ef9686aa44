"""The tensors of a run: named states, the modules that carry them, and the data feed.

Dropout, stochastic depth and noise draw from global generators. While a chain or an evaluation runs,
these are set to a stream of (seed, purpose, key, name, number) at the number-th call of a block and at
the number-th operation of a kind. A draw therefore does not depend on other clients or on when the
other side of the cut runs, and a cut model draws in its forward passes what the uncut one draws.

The generators are left alone if no layer of the model draws (`cutlayer.models.draws.draws_of`).

Not covered: draws in a backward pass (a custom autograd function) are reproducible, but differ from
those of the uncut model; a generator that a module keeps for itself is left alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Final, TypeVar

import torch
from torch import Tensor, nn

import cutlayer.models.catalogue
from cutlayer.models.draws import (
    Draws,
    borrowed_accelerator,
    borrowed_generators,
    draws_of,
    seed_accelerator,
    seed_generators,
    seed_of,
)
from cutlayer.models.layers import auxiliary_head
from cutlayer.models.model import Model
from cutlayer.scenarios.numerics import DEFAULT, Numerics
from cutlayer.sim.learning.accelerator import CPU, moved
from cutlayer.sim.learning.batch_feed import Feed
from cutlayer.sim.learning.batch_norm import freeze_statistics, local_names
from cutlayer.sim.learning.precision import (
    apply_to_module,
    compute_in_bfloat16,
    ordered,
    stored_type,
)
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.learning.replica import State
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.states import States
from cutlayer.sim.tasks.objective import Objective

T = TypeVar("T")
NO_TENSORS: Final[Mapping[str, Tensor]] = {}
_Part = tuple[str, int | None]  # a part of the model and, if it is not the recipe's, the cut


class Streams:
    """The random streams of a chain or an evaluation, named by a seed, a purpose and a key."""

    def __init__(self, seed: int, purpose: str, *key: int, device: torch.device = CPU) -> None:
        self._seed, self._purpose, self._key = seed, purpose, key
        self._device = device
        self.calls: Counter[str] = Counter()

    def begin(self, name: str, draws: Draws = Draws.ANYTHING) -> None:
        """Set the generators that are drawn from to the stream of a block's or operation's next call."""
        if draws != Draws.NOTHING:
            number = seed_of(self._seed, self._purpose, *self._key, name, self.calls[name])
            seed_generators(number, draws)
            seed_accelerator(number, self._device)
        self.calls[name] += 1


class Workspace:
    """The states by name, and a module for each part of the model.

    Everything is computed with `numerics`, to whose type the initial `states` are converted. Modules
    compute on `device`. States are kept on the CPU, where all executors fold the same bits, but weights
    are kept at `home` if that is a device. `frozen` has the tensors of the model that are not trained,
    by their names in it: they are in no state, and all modules share them.
    """

    def __init__(
        self,
        recipe: Recipe,
        feed: Feed,
        states: Mapping[StateKey, State],
        numerics: Numerics = DEFAULT,
        device: torch.device = CPU,
        frozen: Mapping[str, Tensor] = NO_TENSORS,
    ) -> None:
        self.recipe = recipe
        self.feed = feed
        self.numerics = numerics
        self.dtype = stored_type(numerics)
        self.device = device
        self.home = CPU
        self.states = States(
            {
                key: {name: self._of_type(value) for name, value in state.items()}
                for key, state in states.items()
            }
        )
        self.task = Objective(recipe.task, recipe.classes)
        self.streams: Streams | None = None  # those from which modules draw at present
        self._built: list[Model] = []  # a model of which no module has been taken
        self._modules: dict[_Part, nn.Module] = {}
        self._spare: defaultdict[_Part, list[nn.Module]] = defaultdict(list)
        self.frozen = dict(frozen)
        self._shared: set[str] = set()  # the names of those with which modules compute

    def module(
        self, part: str, state: State, cut: int | None = None, *, exclusive: bool = False
    ) -> nn.Module:
        """Return the module of a part at a cut (default: the recipe's), loaded and without gradients.

        Chains run one at a time, so one module for each part and cut is enough, except for those that
        are interleaved: they borrow an `exclusive` one, until `give_back`.
        """
        which = part, cut
        if which not in self._modules:
            self._modules[which] = self._made(part, cut)
        module = self._modules[which]
        if exclusive:
            module = self._spare[which].pop() if self._spare[which] else self._made(part, cut)
        found = module.load_state_dict(state, strict=not self.frozen)
        assert not found.unexpected_keys, "a state has the tensors of its part only"
        assert self.frozen.keys() >= {*found.missing_keys}, "a state has all trained tensors"
        module.zero_grad(set_to_none=True)
        return module

    def give_back(self, part: str, module: nn.Module, cut: int | None = None) -> None:
        """Return an exclusive module, which other chains may then borrow."""
        self._spare[part, cut].append(module)

    def _made(self, part: str, cut: int | None) -> nn.Module:
        of = self._built.pop() if self._built else _model(self.recipe)
        made = _part(of, self.recipe, part, cut)
        new = apply_to_module(made, self.numerics).to(self.device)
        self._share_frozen(new)
        if self.recipe.batch_norm == "frozen":
            freeze_statistics(new)
        blocks = {part: new} if part == "head" else _named_blocks(new)
        for block in blocks.values() if self.numerics.dtype == "bfloat16" else ():
            compute_in_bfloat16(block)
        for name, block in blocks.items() if self.draws != Draws.NOTHING else ():
            block.register_forward_pre_hook(partial(self._begin_block, name))
        return new

    def _share_frozen(self, module: nn.Module) -> None:
        """Let a module have the same frozen tensors as all others."""
        own = self.frozen.keys() & module.state_dict().keys()
        if new := own - self._shared:
            module.load_state_dict({name: self.frozen[name] for name in new}, strict=False)
            state = module.state_dict()
            self.frozen |= {name: state[name] for name in new}
            self._shared |= new
        shared = {name: self.frozen[name] for name in own}
        module.load_state_dict(shared, strict=False, assign=True)

    @cached_property
    def draws(self) -> Draws:
        """From which generators the layers of the model may draw."""
        self._built.append(_model(self.recipe))
        return draws_of(self._built[0])

    def parameters(self, key: StateKey) -> set[str]:
        """Return the names of the parameters of a state that a module had; the others are buffers."""
        if key.block is None:
            modules = [self._modules[key.part, key.cut]]
        else:
            modules = [module for (part, _), module in self._modules.items() if part != "head"]
        named = [m.named_parameters(remove_duplicate=False) for m in modules]
        return {name for names in named for name, _ in names if name.startswith(key.prefix)}

    def local_names(self, part: str, cut: int | None = None) -> frozenset[str]:
        """Return the names of the tensors of a part, which a module had, that stay at its client."""
        names = local_names(self._modules[part, cut], self.recipe.batch_norm)
        return names - self.frozen.keys()

    def converted(self, inputs: Tensor) -> Tensor:
        """Return inputs in the type and the memory format of the numerics."""
        return ordered(self._of_type(inputs), self.numerics)

    def _of_type(self, value: Tensor) -> Tensor:
        return value.to(self.dtype) if value.is_floating_point() else value

    def place(self, device: torch.device, home: torch.device = CPU) -> None:
        """Compute on a device from now on, and keep weights at `home`."""
        assert not self._modules, "a workspace is placed before its first use"
        self.device, self.home = device, home
        if home != CPU:
            for key, state in self.states.items():
                self.states[key] = self.at_home(key, state)

    def on_device(self, value: T) -> T:
        """Return a value with its tensors where modules compute."""
        return value if self.device == CPU else moved(value, self.device)

    def on_cpu(self, value: T) -> T:
        """Return a value with its tensors on the CPU."""
        return value if self.device == CPU else moved(value, CPU)

    def at_home(self, key: StateKey, value: T) -> T:
        """Return the value of a state with its tensors where it is kept."""
        return value if self.device == CPU else moved(value, self.home if key.is_module else CPU)

    @contextmanager
    def drawing(self, streams: Streams) -> Iterator[None]:
        """Let modules draw from `streams` within the context, or from others that are set in it."""
        with borrowed_generators(), borrowed_accelerator(self.device):
            self.streams = streams
            try:
                yield
            finally:
                self.streams = None

    def _begin_block(self, block: str, *_: object) -> None:
        if self.streams is not None:
            self.streams.begin(block, self.draws)


def make_part(recipe: Recipe, part: str, cut: int | None = None) -> nn.Module:
    """Build the device block, server block or auxiliary head at a cut, by default the recipe's."""
    return _part(_model(recipe), recipe, part, cut)


def _part(model: Model, recipe: Recipe, part: str, cut: int | None) -> nn.Module:
    cut = recipe.cut if cut is None else cut
    assert cut is not None, "the recipe has several cuts"
    if part == "head":
        shape, outputs = model.activation_shape(cut), model.activation_shape(len(model))
        return auxiliary_head(shape, outputs, seed=recipe.seed)
    split = model.split(cut)
    return split.device if part == "device" else split.server


def _model(recipe: Recipe) -> Model:
    return cutlayer.models.catalogue.build(recipe.spec, seed=recipe.seed)


def _named_blocks(part: nn.Module) -> dict[str, nn.Module]:
    """Return the blocks of a part of the model by their index in the whole model."""
    return {f"block {i}": block for i, block in part.get_submodule("blocks").named_children()}
