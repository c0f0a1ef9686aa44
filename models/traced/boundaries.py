"""What crosses after an operation of a traced model, and whether the model can be cut there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from torch import Tensor, fx, nn

from cutlayer.models.traced.packing import Crossing
from cutlayer.models.traced.values import BATCHES, Run, leaves

Leaf = tuple[fx.Node, tuple[int, ...]]  # a tensor: a node, and the place in its value


class NoCut(Exception):  # noqa: N818 - a finding
    """Why a model cannot be cut at a place."""


class Boundaries:
    """Finds what crosses after each operation of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._position = {node: position for position, node in enumerate(run.nodes)}
        self.last = len(run.nodes) - 1

    @cached_property
    def ends(self) -> dict[str, int]:
        """The position of the last operation of each submodule, by its path."""
        found: dict[str, int] = {}
        for node, position in self._position.items():
            for path, _ in node.meta.get("nn_module_stack", {}).values():
                found[path] = position
        return found

    @cached_property
    def _state_uses(self) -> dict[int, tuple[str, int, int]]:
        """The name, first and last use of each parameter and each tensor that layers may change."""
        found: dict[int, tuple[str, int, int]] = {}
        for node, position in self._position.items():
            for name, tensor in _state(self._run, node):
                known, first, _ = found.get(id(tensor), (name, position, position))
                found[id(tensor)] = known, first, position
        return found

    @cached_property
    def _trained(self) -> set[str]:
        return {name for name, _ in self._run.root.named_parameters(remove_duplicate=False)}

    def crossing(self, after: int) -> tuple[list[Leaf], list[Crossing]]:
        """Return the tensors that cross after an operation. Raises NoCut with the reason."""
        for name, first, last in self._state_uses.values():
            how = "trained" if name in self._trained else "used"
            if first <= after < last:
                raise NoCut(f"{name} is {how} before and after it")
        found: dict[int, Leaf] = {}
        for node in (self._run.inputs, *self._run.nodes[: after + 1]):
            if node in self._run.data and self._used_after(node, after):
                for leaf in self._sent(node):
                    found.setdefault(self.same_tensor(leaf), leaf)
        crossing = [self._described(leaf, after) for leaf in found.values()]
        if not any(one.dtype.is_floating_point for one in crossing):
            raise NoCut("only whole numbers cross, and no gradient can")
        self._check_shared(list(found.values()), after)
        return list(found.values()), crossing

    def same_tensor(self, leaf: Leaf) -> int:
        """Return an identity of a tensor, which nodes that return their argument share with it."""
        return id(_at(self._run.values[0][leaf[0]], leaf[1]))

    def _used_after(self, node: fx.Node, after: int) -> bool:
        if node is self._run.output:
            return True
        return any(self._position.get(user, -1) > after for user in node.users)

    def _sent(self, node: fx.Node) -> list[Leaf]:
        """Return the tensors to send for a value: a smaller one if the other side can compute it."""
        small, source = node, node
        while source in self._run.recomputable:
            small = min(small, source, key=self._size)
            source = next(parent for parent in source.all_input_nodes if parent in self._run.data)
        if source is not self._run.inputs:
            small = min(small, source, key=self._size)
        return [(small, path) for path, _ in leaves(self._run.values[0][small])]

    def _size(self, node: fx.Node) -> int:
        return sum(tensor.numel() for _, tensor in leaves(self._run.values[0][node]))

    def _described(self, leaf: Leaf, after: int) -> Crossing:
        node, path = leaf
        one, other = (_at(values[node], path) for values in self._run.values)
        sizes = list(zip(one.shape, other.shape, strict=True))
        grown = [place for place, (size, size_2) in enumerate(sizes) if size != size_2]
        if len(grown) != 1 or sizes[grown[0]] != BATCHES:
            shape = " x ".join("batch" if pair == BATCHES else str(pair[0]) for pair in sizes)
            raise NoCut(
                f"a tensor ({shape or 'a single value'}) crosses that is not one per sample"
            )
        batch, last = grown[0], _at(self._run.channels_last[node], path)
        changed = any(
            node in nodes for position, nodes in self._run.changed.items() if position > after
        )
        return Crossing(
            sizes=tuple(0 if place == batch else size for place, size in enumerate(one.shape)),
            dtype=one.dtype,
            order=_order(one, batch),
            order_last=_order(last, batch),
            changed=changed,
        )

    def _check_shared(self, crossing: Sequence[Leaf], after: int) -> None:
        """Raise NoCut if tensors that cross are parts of one memory that is changed afterwards."""
        changed = {
            node
            for position, nodes in self._run.changed.items()
            if position > after
            for node in nodes
        }
        memory: set[int] = set()
        for node, path in crossing:
            where = _at(self._run.values[0][node], path).untyped_storage()._cdata
            if node in changed and where in memory:
                raise NoCut("two views of a tensor cross that is changed in place after it")
            memory.add(where)


def agreed(of_modes: Mapping[bool, Boundaries], path: str) -> dict[bool, int]:
    """Return the last operation of a submodule in training and evaluation. Raises NoCut."""
    ends = {mode: found.ends.get(path) for mode, found in of_modes.items()}
    if None in ends.values():
        only = [mode for mode, end in ends.items() if end is not None]
        when = (
            f"it runs only in {'training' if only[0] else 'evaluation'}"
            if only
            else "it never runs"
        )
        raise NoCut(when)
    return {mode: end for mode, end in ends.items() if end is not None}


def crossing_of_modes(
    of_modes: Mapping[bool, Boundaries], ends: Mapping[bool, int]
) -> tuple[dict[bool, list[Leaf]], tuple[Crossing, ...]]:
    """Return the tensors that cross in both modes. Raises NoCut if they are not the same."""
    found = {mode: of_modes[mode].crossing(end) for mode, end in ends.items()}
    trained, evaluated = found[True][1], found[False][1]
    if [(c.sizes, c.dtype) for c in trained] != [(c.sizes, c.dtype) for c in evaluated]:
        raise NoCut("what crosses in training differs from what crosses in evaluation")
    crossings = tuple(
        replace(one, changed=one.changed or other.changed)
        for one, other in zip(trained, evaluated, strict=True)
    )
    return {mode: leaves_ for mode, (leaves_, _) in found.items()}, crossings


def _order(tensor: Tensor, batch: int) -> tuple[int, ...]:
    """Return the dimensions of a tensor, the batch first and the others by their strides."""
    strides = tensor.stride()
    others = [place for place in range(tensor.dim()) if place != batch]
    if all(strides):
        others.sort(key=lambda place: -strides[place])
    return (batch, *others)


def _at(value: object, path: Sequence[int]) -> Tensor:
    for position in path:
        value = value[position]  # type: ignore[index]
    assert isinstance(value, Tensor)
    return value


def _state(run: Run, node: fx.Node) -> list[tuple[str, Tensor]]:
    """Return the trained parameters and changing buffers that an operation uses, by name."""
    found: list[tuple[str, Tensor]] = []
    if node.op == "call_module":
        layer = run.root.get_submodule(str(node.target))
        named = [*layer.named_parameters(), *layer.named_buffers()]
        found += [(f"{node.target}.{name}", tensor) for name, tensor in named]
    for source in node.all_input_nodes:
        value = run.values[0][source]
        if source.op == "get_attr" and (isinstance(value, nn.Parameter) or source in run.data):
            found.append((str(source.target), value))
    return [
        (name, tensor)
        for name, tensor in found
        if tensor.requires_grad or not isinstance(tensor, nn.Parameter)
    ]
