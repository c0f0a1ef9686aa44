"""Make a model of any `nn.Module`, cut after its submodules."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final

from torch import nn

from cutlayer.models.block_cost import Shape
from cutlayer.models.errors import CutError
from cutlayer.models.model import Model, exit_of
from cutlayer.models.spec import ModelSpec
from cutlayer.models.traced.analysis import Analysis, analyse


class TracedModel(Model):
    """A model made of the traced forward pass of a module.

    It shares the module's submodules. `submodules` (cuts by name), `inner` and `refused` are those of
    its `Analysis`; `tensors` is how many are sent at each cut, and `whole_numbers` the cuts at which
    some of them are whole numbers.
    """

    def __init__(
        self, name: str, module: nn.Module, found: Analysis, input_shape: Shape, classes: int
    ) -> None:
        blocks = [code.block(module, found.kept) for code in found.codes]
        named = list(zip(found.names, blocks, strict=True))
        super().__init__(
            name, named, input_shape, classes, found.feature_blocks, input_dtype=found.input_dtype
        )
        self.submodules = dict(found.cuts)
        self.inner = found.inner
        self.refused = dict(found.refused)
        ends = [exit_of(block) for block in blocks]
        self.tensors = (1, *(1 if end is None else len(end.crossings) for end in ends))
        self.whole_numbers = frozenset(
            cut for cut, end in enumerate(ends, start=1) if end is not None and end.whole_numbers
        )

    def own_name(self, block: int, rest: str) -> str:
        """Return the name of a tensor or submodule in the module."""
        del block
        return rest

    def keys_of(self, names: Collection[str]) -> frozenset[str]:
        """Return the keys of tensors by their names in the module; it may not use all of them."""
        keys = ((key, key.split(".", 2)[2]) for key in self.state_dict())
        return frozenset(key for key, name in keys if name in names)


def traced_model(
    spec: ModelSpec,
    module: nn.Module,
    on_meta: Callable[[], nn.Module],
    factory: object,
    ends: tuple[str, ...],
) -> TracedModel:
    """Return a model of a module that `factory` made; `on_meta` makes an equal one on `meta`.

    A block ends after each submodule of `ends` as well. Raises ModelError.
    """
    name, input_shape, classes = spec.name, spec.input_shape, spec.classes
    key = factory, spec
    if key not in _analyses:
        while len(_analyses) >= _KEPT:
            _analyses.popitem(last=False)
        _analyses[key] = analyse(name, on_meta(), input_shape, classes, ends)
    found = _analyses[key]
    for path in ends:
        if path not in found.cuts:
            reason = found.refused.get(path, "it has no such submodule")
            raise CutError(f"model {name!r} cannot be cut after {path!r}: {reason}")
    return TracedModel(name, module, found, input_shape, classes)


_KEPT: Final = 16  # analyses in a process: a model is built once for each of its parts
_analyses: OrderedDict[tuple[object, ...], Analysis] = OrderedDict()
