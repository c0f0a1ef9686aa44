"""The set-up of a run, from which any process builds the workspace in which its tasks run.

Settings travel with each task. The data set and the clients' shards are inputs, which are read in place:
all workers of a machine share one copy.
"""

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutlayer.models.catalogue import build
from cutlayer.models.own_object import looking_in
from cutlayer.scenarios.numerics import Numerics
from cutlayer.sim.data.augment import Augmentation
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.data.info import DatasetInfo
from cutlayer.sim.learning.accelerator import prepare
from cutlayer.sim.learning.batch_feed import Feed
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.learning.state_key import StateKey
from cutlayer.sim.learning.states import States
from cutlayer.sim.learning.values import decode, encode
from cutlayer.sim.learning.workspace import Workspace, make_part

INPUTS: Final = 2  # of every task: the data set, and the shards with the frozen tensors
KEPT_WORKSPACES: Final = 64  # in a process; a workspace has a module for each part of the model
KEPT_DATASETS: Final = 4

T = TypeVar("T")


@dataclass(frozen=True)
class DataSetUp:
    """A data set: a name that no other one has in any process, and its declaration."""

    name: str
    info: DatasetInfo

    def dataset(self, content: memoryview) -> Dataset:
        """Return the data set, whose tensors are views of `content`."""
        return _kept(_datasets, self.name, KEPT_DATASETS) or _keep(
            _datasets, self.name, Dataset(self.info, *decode(content, copy=False))
        )


def data_set_up(dataset: Dataset) -> tuple[DataSetUp, bytes]:
    """Return the set-up of a data set, and its content."""
    tensors = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    return DataSetUp(uuid4().hex, replace(dataset.info, source=None)), encode(tensors)


@dataclass(frozen=True)
class SetUp:
    """What a workspace needs apart from its inputs; `name` is one that no other run has.

    `folders` are those of a user's own objects. `ended` names runs that had ended when this one began.
    """

    name: str
    data: DataSetUp
    recipe: Recipe
    augmentation: Augmentation
    numerics: Numerics
    device: torch.device
    folders: tuple[str, ...]
    ended: tuple[str, ...]

    def looking_in(self) -> AbstractContextManager[None]:
        """Let the user's own objects be found within the context."""
        return looking_in(self.folders)

    def workspace(self, inputs: Sequence[memoryview], values: "Inputs") -> Workspace:
        """Return the workspace of this process, with the states that a task reads."""
        workspace = _kept(_workspaces, self.name, KEPT_WORKSPACES)
        if workspace is None:
            for name in self.ended:
                _workspaces.pop(name, None)
            order, sizes, frozen = decode(inputs[1])
            dataset = self.data.dataset(inputs[0])
            feed = Feed(dataset, _Shards(order.numpy(), sizes), self.recipe, self.augmentation)
            prepare(self.device)
            workspace = Workspace(self.recipe, feed, {}, self.numerics, self.device, frozen)
            _keep(_workspaces, self.name, workspace)
        workspace.states = values
        return workspace

    def share_test_batches(self, feed: Feed) -> None:
        """Let a feed use the test batches of another run on the same data set."""
        which = self.data.name, self.recipe.min_batch
        shared = _kept(_test_batches, which, KEPT_DATASETS)
        feed.test_batches = _keep(_test_batches, which, shared or feed.test_batches)

    def parameters(self, key: StateKey) -> frozenset[str]:
        """Return names of parameters, among them all that a state has; its other tensors are buffers."""
        which = (self.name, key.cut if key.part == "head" else None, key.part == "head")
        return _kept(_parameters, which, 2 * KEPT_WORKSPACES) or _keep(
            _parameters, which, frozenset(_parameter_names(self.recipe, key))
        )


def set_up(
    workspace: Workspace,
    data: DataSetUp,
    folders: tuple[str, ...],
    device: torch.device,
    ended: tuple[str, ...],
) -> tuple[SetUp, bytes]:
    """Return the set-up of a run, and its shards with the frozen tensors."""
    feed = workspace.feed
    order, sizes = feed.shards()
    own = SetUp(
        uuid4().hex,
        data,
        workspace.recipe,
        feed.augmentation,
        workspace.numerics,
        device,
        folders,
        ended,
    )
    return own, encode((order, sizes, workspace.frozen))


class Inputs(States):
    """The states that a task reads, decoded when they are read."""

    def __init__(self, contents: dict[tuple[StateKey, int], memoryview]) -> None:
        super().__init__({})
        self._contents = contents
        self._decoded: dict[tuple[StateKey, int], Any] = {}

    def read(self, key: StateKey, version: int) -> Any:
        """Return the value of a version."""
        which = key, version
        if which not in self._decoded:
            self._decoded[which] = decode(self._contents[which])
        return self._decoded[which]


@dataclass(frozen=True)
class _Shards:
    """The samples of each client, in a given order."""

    indices: NDArray[np.int64]
    sizes: tuple[int, ...]

    def order(self, labels: NDArray[np.integer]) -> NDArray[np.int64]:  # noqa: ARG002
        """Return the sample indices of all clients, one client after the other."""
        return self.indices


def _parameter_names(recipe: Recipe, key: StateKey) -> list[str]:
    if key.part == "head":
        module: nn.Module = make_part(recipe, "head", key.cut)
    else:
        module = build(recipe.spec, seed=recipe.seed, device="meta")
    return [name for name, _ in module.named_parameters(remove_duplicate=False)]


_datasets: OrderedDict[str, Dataset] = OrderedDict()
_test_batches: OrderedDict[tuple[str, int], list[tuple[Tensor, Tensor]]] = OrderedDict()
_workspaces: OrderedDict[str, Workspace] = OrderedDict()
_parameters: OrderedDict[tuple[Any, ...], frozenset[str]] = OrderedDict()


def _kept(cache: OrderedDict[Any, T], key: Any, most: int) -> T | None:
    """Return the value of a key, which becomes the latest, and make room for a new one."""
    if key in cache:
        cache.move_to_end(key)
        return cache[key]
    while len(cache) >= most:
        cache.popitem(last=False)
    return None


def _keep(cache: OrderedDict[Any, T], key: Any, value: T) -> T:
    cache[key] = value
    return value
