"""What all methods of a scenario have in common: the model's costs, the shards, the topology.

It is built once per scenario and seed, without weights and without reading data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cutlayer.models.block_cost import BlockCost
from cutlayer.models.outline import ModelOutline
from cutlayer.scenarios.partition import ByColumn, ByUser, Dirichlet, GivenSplit, Shards
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.cuts import cuts_of_clients, model_of, numbered_control, numbered_cuts
from cutlayer.sim.build.data_sets import declared_data
from cutlayer.sim.build.topology import make_topology
from cutlayer.sim.codecs.codecs import Codecs
from cutlayer.sim.control.controller import CUTS, Controller
from cutlayer.sim.control.registry import controller_of
from cutlayer.sim.data.datasets import Dataset, DatasetInfo, describe
from cutlayer.sim.data.feature_skew import FeatureSkew
from cutlayer.sim.data.given_split import GivenPartition, given_partition
from cutlayer.sim.data.partition import PARTITIONS, Held, PartitionError, partition
from cutlayer.sim.data.samples import of_its_training_samples, partition_by_group
from cutlayer.sim.learning.digest import Ingredient, source_identity
from cutlayer.sim.learning.mixed_cuts import MixedCuts
from cutlayer.sim.learning.recipe import Optimizer, Recipe, Schedule
from cutlayer.sim.methods.method import Method
from cutlayer.sim.network.route_runs import OnDemand
from cutlayer.sim.tasks.sections import target_of, task_of
from cutlayer.sim.tasks.task import Task
from cutlayer.topologies import Topology

if TYPE_CHECKING:
    from cutlayer.models.model import Model


@dataclass(frozen=True)
class Plan:
    """What the methods of a scenario have in common, for one seed."""

    scenario: Scenario
    seed: int
    model: ModelOutline
    info: DatasetInfo
    shards: Held
    topology: Topology

    @property
    def blocks(self) -> tuple[BlockCost, ...]:
        """The costs of all blocks."""
        return self.model.blocks

    @cached_property
    def detached_blocks(self) -> Mapping[int, tuple[BlockCost, ...]]:
        """The costs of the blocks after a cut that no gradient crosses, by cut."""
        return OnDemand(self.model.detached_blocks)

    def trained_samples(self) -> NDArray[np.int64]:
        """Return the number of samples that an epoch trains on, by client: those in its batches."""
        held = np.asarray(self.shards.sizes, np.int64)
        rest = held % self.scenario.training.batch_size
        return held - np.where(rest < self.model.min_batch, rest, 0)

    def able(self) -> Sequence[int]:
        """Return the clients that have a batch to train on, in order; the others never take part."""
        trained = self.trained_samples()
        return range(len(trained)) if trained.all() else np.flatnonzero(trained).tolist()

    def able_clients(self) -> int:
        """Return the number of clients that have a batch to train on."""
        return len(self.able())

    def _skew(self) -> dict[str, Ingredient]:
        skew = self.scenario.data.feature_skew
        return {} if skew is None else {"feature_skew": skew.model_dump(exclude_none=True)}

    def skewed(self, dataset: Dataset) -> Dataset:
        """Return the data set with the inputs that the clients have, if the scenario skews them."""
        section = self.scenario.data.feature_skew
        if section is None:
            return dataset
        skew = FeatureSkew(**section.model_dump(exclude_none=True))
        return skew.apply(dataset, self.shards, self.seed)

    @cached_property
    def task(self) -> Task:
        """The task. Raises LearningTaskError if it does not fit the data set."""
        return task_of(self.scenario.task, self.info)

    @cached_property
    def named_cuts(self) -> Mapping[str, int]:
        """The scenario's cuts by the names that have one, as numbers. Raises ScenarioNameError."""
        return numbered_cuts(self.scenario.model, self.model)

    @cached_property
    def client_cuts(self) -> Sequence[int]:
        """The scenario's cut of each client. Raises ScenarioNameError."""
        return cuts_of_clients(self.topology, self.named_cuts)

    @cached_property
    def scenario_cuts(self) -> tuple[int, ...]:
        """The cuts that any client has in the scenario, ascending."""
        return tuple(sorted(set(self.client_cuts)))

    @cached_property
    def controller(self) -> tuple[type[Controller], Any] | None:
        """The controller and its options, None if everything is fixed.

        Cuts in the options are numbers. Raises UnknownControllerError, and ScenarioNameError for a cut.
        """
        section = self.scenario.control
        return controller_of(numbered_control(section, self.scenario.model, self.model))

    def controlled(self, method: type[Method], field: str) -> bool:
        """Return whether the controller sets cuts, batch sizes or participants of a method."""
        if self.controller is None or field not in self.controller[0].sets:
            return False
        last = len(self.blocks)
        return field != CUTS or len({method.cut(cut, last) for cut in range(last + 1)}) > 1

    def method_cuts(self, method: type[Method]) -> Sequence[int]:
        """Return the number of blocks that a method runs on the device of each client."""
        cut_of = {cut: method.cut(cut, len(self.blocks)) for cut in self.scenario_cuts}
        if all(cut == of_method for cut, of_method in cut_of.items()):
            return self.client_cuts
        return [cut_of[cut] for cut in self.client_cuts]

    def cuts(self, method: type[Method]) -> tuple[int, ...]:
        """Return the cuts that any client may have under a method, ascending.

        A controller chooses among the cuts in its options, by default all that the method allows. If
        devices keep their block frozen, the scenario's largest cut is the last: the blocks before it are
        pre-trained.
        """
        last = len(self.blocks)
        cuts = {method.cut(cut, last) for cut in self.scenario_cuts}
        if self.controlled(method, CUTS):
            assert self.controller is not None
            longest = max(self.scenario_cuts) if method.freezes_device else last
            chosen = getattr(self.controller[1], "cuts", None) or (*cuts, *range(last + 1))
            cuts = {c for c in chosen if c <= longest and method.check_cut(c, last) is None} or cuts
        return tuple(sorted(cuts))

    def cuts_by_device(self, method: type[Method]) -> dict[str, tuple[int, ...]]:
        """Return the cuts of each client device under a method, ascending, by profile name."""
        cuts: dict[str, set[int]] = {}
        of_clients, controlled = self.method_cuts(method), self.controlled(method, CUTS)
        for device, clients in self.topology.device_runs():
            own = self.cuts(method) if controlled else of_clients[clients]
            cuts.setdefault(device.name, set()).update(own)
        return {name: tuple(sorted(found)) for name, found in cuts.items()}

    def one_cut(self, method: type[Method]) -> int | None:
        """Return the cut that all clients have under a method, None if they may have several.

        It is None if a controller sets cuts, so that runs with equal decisions share a training.
        """
        cut, *others = self.cuts(method)
        return None if others or self.controlled(method, CUTS) else cut

    def module(self) -> "Model":
        """Build the model without weights, on torch's `meta` device."""
        from cutlayer.models.catalogue import build

        return build(self.model.spec, seed=0, device="meta")

    def codecs(self, method: type[Method], options: Any = None) -> Codecs:
        """Return the codecs of a method's messages, by default of all that it may send."""
        sends = method.sends if options is None else method.directions(options)
        return Codecs(self.scenario.codec, sends)

    def mixed_cuts(self, method: type[Method]) -> MixedCuts | None:
        """Return the states of a method whose clients have different cuts, None if they have one."""
        if self.one_cut(method) is not None:
            return None
        return MixedCuts(len(self.blocks), self.cuts(method), method.freezes_device)

    def recipe(self, method: type[Method], name: str, options: Any) -> Recipe:
        """Return everything that affects the learning of one method."""
        scenario = self.scenario
        training = scenario.training
        if isinstance(self.shards, GivenPartition):
            rule: dict[str, Ingredient] = {"kind": "given", "content": self.shards.content}
        else:
            rule = _rule_of(scenario.data.partition)
        return Recipe(
            seed=self.seed,
            model=self.model.name,
            input_shape=self.info.input_shape,
            classes=self.info.output_shape[-1],
            vocabulary=self.model.spec.vocabulary,
            pretrained=self.model.spec.pretrained,
            tuning=self.model.spec.tuning,
            padding=self.model.spec.padding,
            cut=self.one_cut(method),
            data=self.info.checksum,
            partition=rule | self._skew() | {"clients": len(self.shards.sizes)},
            augment={"crop": scenario.data.augment.crop, "flip": scenario.data.augment.flip},
            batch_size=training.batch_size,
            local_epochs=training.local_epochs,
            min_batch=self.model.min_batch,
            optimizer=optimizer_of(scenario, options),
            schedule=schedule_of(scenario),
            averaging=training.averaging,
            method=name,
            options=method.learning_options(options),
            model_source=source_identity(scenario.model.name, scenario.model.pretrained),
            method_source=source_identity(name),
            codec=self.codecs(method, options).spec,
            batch_norm=scenario.model.batch_norm,
            task=self.task,
            task_source=source_identity(self.task.loss),
        )


def make_plan(scenario: Scenario, seed: int) -> Plan:
    """Build the plan of a scenario. Raises one of the errors of its parts (a UserError)."""
    info = info_of(scenario, seed)
    model = model_of(scenario, info)
    topology = make_topology(scenario, seed)
    shards = shards_of(scenario, seed, info, topology.clients)
    return Plan(scenario, seed, model, info, shards, topology)


def info_of(scenario: Scenario, seed: int) -> DatasetInfo:
    """Return the declaration of the data set; only one in the user's files is read. Raises DataError."""
    data = scenario.data
    info = describe(
        declared_data(data, target_of(scenario.task)),
        train_samples=data.train_samples,
        test_samples=data.test_samples,
        test_fraction=data.test_fraction,
        seed=seed,
    )
    return info.as_it_is() if data.standardise is False else of_its_training_samples(info)


def shards_of(scenario: Scenario, seed: int, info: DatasetInfo, clients: Sequence[str]) -> Held:
    """Return the samples of each client. Raises PartitionError."""
    section = scenario.data.partition
    if isinstance(section, GivenSplit):
        return given_partition(
            Path(section.path), clients, info.train_samples, overlap=section.overlap
        )
    if isinstance(section, ByUser):
        return partition_by_group(info, len(clients), "users")
    if isinstance(section, ByColumn):
        return partition_by_group(info, len(clients), f"by {section.column}")
    if isinstance(section, Dirichlet | Shards) and not info.has_classes:
        raise PartitionError(
            f"{type(section).__name__.lower()} divides the samples of each class, and data set "
            f"{info.name} has no classes: choose iid or sizes"
        )
    options = _rule_of(section)
    rule = PARTITIONS[str(options.pop("kind"))](**options)  # type: ignore[arg-type]
    return partition(info.train_counts, len(clients), rule, seed)


def _rule_of(section: Any) -> dict[str, Ingredient]:
    """Return a partition section as its kind and the options that `PARTITIONS` takes."""
    values = section.model_dump(mode="python")
    if "samples" in values:
        values["sizes"] = values.pop("samples")
    return {"kind": type(section).__name__.lower(), **values}


def optimizer_of(scenario: Scenario, options: Any = None) -> Optimizer:
    """Return the scenario's optimizer; a method's options may override the handling of its state."""
    section = scenario.training.optimizer
    state = getattr(options, "optimizer_state", None) or scenario.training.optimizer_state
    return Optimizer(**section.model_dump(), state=state)


def schedule_of(scenario: Scenario) -> Schedule:
    """Return the scenario's learning-rate schedule."""
    section = scenario.training.lr_schedule
    values = section.model_dump(mode="python", exclude_none=True)
    values.setdefault("rounds", scenario.training.rounds)
    if "milestones" in values:
        values["milestones"] = tuple(values["milestones"])
    name: Any = type(section).__name__.lower()
    return Schedule(name=name, **values)
