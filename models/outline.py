"""Outlines: a model's shapes and the costs of its blocks, without its weights.

Counting time and bytes needs neither weights nor torch: outlines are cached on disk
(`cutlayer.models.outline_cache`). An outline that is not cached is computed on the `meta` device.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from cutlayer.models.block_cost import BlockCost, Shape, Unpriced
from cutlayer.models.catalogue import with_ends, without_ends
from cutlayer.models.errors import CutError, checked_cut
from cutlayer.models.outline_cache import cached
from cutlayer.models.packages.names import identity, package_of
from cutlayer.models.spec import ModelSpec
from cutlayer.suggestion import suggestion

T = TypeVar("T")


@dataclass(frozen=True)
class ModelOutline:
    """The shapes and costs of a model; the fields are those of `models.Model`.

    `shapes` are per sample: before, between and after the blocks. `blocks` are the costs of training
    the whole model. `unpriced` says what becomes of operations without a cost rule. Of a traced model,
    `submodules` has the cut after each submodule that a block ends with, `inner` the submodules within
    blocks after which it can be cut too, `refused` why it cannot be cut after others, `tensors` how
    many are sent at each cut, and `whole_numbers` the cuts at which some of them are whole numbers.
    """

    spec: ModelSpec
    feature_blocks: int
    min_batch: int
    shapes: tuple[Shape, ...]
    blocks: tuple[BlockCost, ...]
    takes_tokens: bool = False
    unpriced: Unpriced = "error"
    submodules: dict[str, int] = field(default_factory=dict)
    inner: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    tensors: tuple[int, ...] = ()
    whole_numbers: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """The model's name, with submodules after which blocks end."""
        return self.spec.name

    @property
    def input_shape(self) -> Shape:
        """The shape of a sample's input."""
        return self.spec.input_shape

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.spec.classes

    @property
    def plain_name(self) -> str:
        """The name without submodules after which blocks end."""
        return without_ends(self.name)[0]

    @property
    def cuts(self) -> dict[str, int]:
        """The cuts by name: after each block, and after submodules that end there."""
        blocks = {block.name: number for number, block in enumerate(self.blocks, start=1)}
        return blocks | self.submodules

    def __len__(self) -> int:
        """Return the number of blocks, which is also the last cut."""
        return len(self.blocks)

    def activation_shape(self, cut: int) -> Shape:
        """Return the per-sample shape of the activation at a cut (0: the input). Raises CutError."""
        return self.shapes[checked_cut(cut, len(self), self.name)]

    def cut_number(self, cut: int | str) -> int:
        """Return a cut as a number. Raises CutError for a name after which there is no cut."""
        if isinstance(cut, int):
            return checked_cut(cut, len(self), self.name)
        if cut in self.cuts:
            return self.cuts[cut]
        if cut in self.refused:
            raise CutError(f"{self.plain_name} cannot be cut after {cut!r}: {self.refused[cut]}")
        known = suggestion(cut, [*self.cuts, *self.inner])
        raise CutError(f"{self.plain_name} has no block or submodule {cut!r}{known}")

    def detached_blocks(self, cut: int) -> tuple[BlockCost, ...]:
        """Return the costs of the blocks after the cut if no gradient crosses it."""

        def compute() -> tuple[BlockCost, ...]:
            from cutlayer.models.catalogue import build
            from cutlayer.models.cost import block_costs

            model = build(self.spec, seed=0, device="meta")
            return block_costs(model, cut, self.unpriced)[cut:]

        key = ["detached", asdict(self.spec), cut]
        return _kept(self.name, tuple[BlockCost, ...], key, compute)

    def head(self, cut: int) -> BlockCost:
        """Return the cost of the auxiliary head at the cut."""
        shape = self.activation_shape(cut)

        def compute() -> BlockCost:
            from cutlayer.models.cost import module_cost
            from cutlayer.models.layers import auxiliary_head

            head = auxiliary_head(shape, self.shapes[-1], seed=0, device="meta")
            return module_cost(head, shape, first=False, name="head")

        return cached(BlockCost, ["head", shape, self.shapes[-1]], compute)


def outline(spec: ModelSpec, *, unpriced: Unpriced = "error") -> ModelOutline:
    """Return the outline of a model of the catalogue or of a user's `package.module:Object`.

    Operations without a cost rule raise CostError or, if `unpriced` is `bytes`, cost the bytes that they
    move.

    Raises UnknownModelError, ModelError or CostError.
    """

    def compute() -> ModelOutline:
        from cutlayer.models.catalogue import build
        from cutlayer.models.cost import block_costs

        model = build(spec, seed=0, device="meta")
        traced = {
            name: getattr(model, name)
            for name in ("submodules", "inner", "refused", "tensors", "whole_numbers")
            if hasattr(model, name)
        }
        return ModelOutline(
            **traced,
            spec=spec,
            feature_blocks=model.feature_blocks,
            min_batch=model.min_batch,
            shapes=tuple(model.activation_shape(cut) for cut in range(len(model) + 1)),
            blocks=block_costs(model, unpriced=unpriced),
            takes_tokens=not model.input_dtype.is_floating_point,
            unpriced=unpriced,
        )

    return _kept(spec.name, ModelOutline, ["outline", asdict(spec), unpriced], compute)


def outline_cut_at(
    spec: ModelSpec, *, cuts: Iterable[int | str], unpriced: Unpriced = "error"
) -> ModelOutline:
    """Return the outline of a model that can be cut at all of these cuts.

    If a cut is after a submodule within a block, the block ends there, and the outline's name tells
    `build` so: `nets:make@layer1.0.conv1`. Numbers count the blocks of this model.
    """
    found = outline(spec, unpriced=unpriced)
    inner = sorted({cut for cut in cuts if isinstance(cut, str) and cut in found.inner})
    if not inner:
        return found
    return outline(replace(spec, name=with_ends(spec.name, inner)), unpriced=unpriced)


def _kept(name: str, kind: Any, key: list[Any], compute: Callable[[], T]) -> T:
    """Use the cache, except for a user's model: the code that it imports may change."""
    if package_of(name) is not None:
        return cached(kind, [*key, identity(without_ends(name)[0], None, weights=False)], compute)
    return compute() if ":" in name else cached(kind, key, compute)
