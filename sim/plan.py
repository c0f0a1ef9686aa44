"""What all methods of a scenario share: the network's costs, the data's counts, the topology.

Built once per scenario and seed, without weights and without reading data.
"""

from dataclasses import dataclass
from typing import Any

import models.catalogue
from models.cost import BlockCost, block_costs, module_cost
from models.head import auxiliary_head
from models.network import Network
from scenarios.schema import Scenario
from sim.learning.augment import Augmentation
from sim.learning.datasets import DatasetInfo, describe
from sim.learning.digest import Ingredient
from sim.learning.partition import PARTITIONS, Partition, PartitionKind, partition
from sim.learning.recipe import Optimiser, Recipe, Schedule
from sim.learning.source import source_identity
from sim.methods.method import Method
from sim.places import places
from topologies import Topology


@dataclass(frozen=True)
class Plan:
    """A scenario with one seed, as far as its methods have it in common."""

    scenario: Scenario
    seed: int
    network: Network
    blocks: tuple[BlockCost, ...]
    info: DatasetInfo
    shards: Partition
    topology: Topology

    @property
    def augmentation(self) -> Augmentation:
        """The augmentation of training images."""
        augment = self.scenario.data.augment
        return Augmentation(crop=augment.crop, flip=augment.flip)

    def device_block(self, cut: int) -> tuple[BlockCost, ...]:
        """Return the costs of the blocks before the cut."""
        return self.blocks[:cut]

    def server_block(self, cut: int) -> tuple[BlockCost, ...]:
        """Return the costs of the blocks behind the cut."""
        return self.blocks[cut:]

    def detached_block(self, cut: int) -> tuple[BlockCost, ...]:
        """Return the server block's costs when its input needs no gradient."""
        return block_costs(self.network, detached=cut)[cut:]

    def head(self, cut: int) -> BlockCost:
        """Return the cost of the auxiliary head at the cut."""
        shape = self.network.activation_shape(cut)
        head = auxiliary_head(shape, self.info.classes, seed=self.seed, device="meta")
        return module_cost(head, shape, first=False, name="head")

    def recipe(self, method: type[Method], name: str, options: Any) -> Recipe:
        """Return everything of one method's run that touches learning."""
        scenario = self.scenario
        training = scenario.training
        kind = dict(_kind_of(scenario.data.partition))
        return Recipe(
            seed=self.seed,
            network=scenario.model.name,
            input_shape=self.info.input_shape,
            classes=self.info.classes,
            cut=method.cut(scenario.model.cut, len(self.blocks)),
            data=self.info.checksum,
            partition=kind | {"clients": len(self.shards.sizes)},
            augment={"crop": scenario.data.augment.crop, "flip": scenario.data.augment.flip},
            batch_size=training.batch_size,
            local_epochs=training.local_epochs,
            min_batch=self.network.min_batch,
            optimiser=optimiser_of(scenario),
            schedule=schedule_of(scenario),
            method=name,
            options=method.learning_options(options),
            network_source=source_identity(scenario.model.name),
            method_source=source_identity(name),
        )


def make_plan(scenario: Scenario, seed: int) -> Plan:
    """Build the plan of a scenario. Raises ValueError with one sentence for what does not fit."""
    data = scenario.data
    info = describe(
        data.dataset,
        train_samples=data.train_samples,
        test_samples=data.test_samples,
        test_fraction=data.test_fraction,
        seed=seed,
    )
    network = models.catalogue.build(
        scenario.model.name,
        classes=info.classes,
        input_shape=info.input_shape,
        seed=seed,
        device="meta",
    )
    topology = places(scenario, seed)
    shards = partition(info.train_counts, len(topology.clients), partition_kind(scenario), seed)
    return Plan(scenario, seed, network, block_costs(network), info, shards, topology)


def partition_kind(scenario: Scenario) -> PartitionKind:
    """Return the rule by which the samples are dealt. Raises PartitionError."""
    described = dict(_kind_of(scenario.data.partition))
    options = {key: value for key, value in described.items() if key != "kind"}
    return PARTITIONS[str(described["kind"])](**options)  # type: ignore[arg-type]


def _kind_of(section: Any) -> dict[str, Ingredient]:
    """Return a partition section as its kind and the options that `PARTITIONS` takes."""
    values = section.model_dump(mode="python")
    if "samples" in values:
        values["sizes"] = values.pop("samples")
    return {"kind": type(section).__name__.lower(), **values}


def optimiser_of(scenario: Scenario) -> Optimiser:
    """Return the scenario's optimiser."""
    section = scenario.training.optimizer
    return Optimiser(**section.model_dump(), state=scenario.training.optimizer_state)


def schedule_of(scenario: Scenario) -> Schedule:
    """Return the scenario's learning-rate schedule."""
    section = scenario.training.lr_schedule
    values = section.model_dump(mode="python", exclude_none=True)
    values.setdefault("rounds", scenario.training.rounds)
    if "milestones" in values:
        values["milestones"] = tuple(values["milestones"])
    name: Any = type(section).__name__.lower()
    return Schedule(name=name, **values)
