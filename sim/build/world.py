"""From a plan to a method in its world, with the executor that was asked for."""

from functools import lru_cache
from typing import Any, Literal

from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.build.availability import availability
from cutlayer.sim.build.extent import most_events
from cutlayer.sim.build.initial import initial_digests, initial_states
from cutlayer.sim.build.network import connect
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.transport import transports
from cutlayer.sim.build.variability import client_variability
from cutlayer.sim.clock import Clock
from cutlayer.sim.compute.queueing import make_queue
from cutlayer.sim.compute.work import DeviceWork, ServerWork
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.endpoints.churn import Churn, Presence
from cutlayer.sim.endpoints.world import Client, PlannedBatches, World, plan_batches
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.digest import Digest, node
from cutlayer.sim.learning.layer import Learning
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.methods import registry
from cutlayer.sim.methods.method import Method
from cutlayer.sim.network.route_runs import Lazy
from cutlayer.topologies import DeviceProfile, Topology

ExecutorName = Literal["none", "inline"]


def options_of(entry: MethodEntry) -> tuple[type[Method], Any]:
    """Return a method entry's class and its validated options.

    Raises UnknownMethodError, or pydantic's ValidationError for a method of the user's own.
    """
    found = registry.method(entry.name)
    if isinstance(entry.options, dict):
        return found, found.Options.model_validate(entry.options)
    return found, entry.options


def make_method(
    plan: Plan, entry: MethodEntry, dataset: Dataset | None, *, keep_accounts: bool = False
) -> Method:
    """Build a world and the method in it; with a `dataset` it trains, without it only counts.

    `keep_accounts` keeps what held each transfer of a round, see `cutlayer.sim.transport.Tcp`.
    """
    found, options = options_of(entry)
    recipe = plan.recipe(found, entry.name, options)
    learning = _learning(plan, recipe, found, options, dataset)
    world = _world(plan, recipe, found, learning, keep_accounts=keep_accounts)
    return found(world, options)


def profile_of(topology: Topology, name: str) -> DeviceProfile:
    """Return the device profile of a client or server."""
    profile = topology.node(name).device
    assert profile is not None, "a topology refuses clients and servers without a device"
    return profile


def _learning(
    plan: Plan, recipe: Recipe, method: type[Method], options: Any, dataset: Dataset | None
) -> Learning:
    cut = plan.scenario.model.cut
    executor = None
    if dataset is not None:
        from cutlayer.sim.learning.feed import Feed
        from cutlayer.sim.learning.inline import Inline
        from cutlayer.sim.learning.workspace import Workspace

        feed = Feed(dataset, plan.shards, recipe, plan.augmentation)
        states = initial_states(recipe, method, options, cut=cut)
        executor = Inline(Workspace(recipe, feed, states))

    def shard(client: int) -> Digest:
        return node("shard", client, [base])

    base = recipe.digest()
    return Learning(recipe, initial_digests(recipe, method, options, cut=cut), shard, executor)


def _world(
    plan: Plan,
    recipe: Recipe,
    method: type[Method],
    learning: Learning,
    *,
    keep_accounts: bool,
) -> World:
    clock = Clock(most_events(plan))
    topology, training = plan.topology, plan.scenario.training
    settings = transports(plan)
    connected = connect(plan, clock, keep_accounts=keep_accounts)
    presences = {}
    if found := availability(plan):
        presences = {
            index: Presence(*found[name])
            for index, name in enumerate(topology.clients)
            if name in found
        }
    cut = recipe.cut
    head = plan.head(cut) if "head" in method.parts else None
    slots = recipe.optimizer.state_slots
    shape = plan.model.activation_shape(cut)
    values = 1
    for side in shape:
        values *= side
    variability = client_variability(topology, plan.scenario.computing)
    works: dict[tuple[str, float], DeviceWork] = {}
    count = len(topology.clients)

    def client(index: int) -> Client:
        name = topology.clients[index]
        profile = profile_of(topology, name)
        kind = (profile.name, profile.speed_factor)
        if kind not in works:
            works[kind] = DeviceWork(profile, plan.device_block(cut), head, values, slots)
        samples = plan.shards.sizes[index]
        batches, first_epoch, sizes = _planned(
            samples, training.batch_size, training.local_epochs, recipe.min_batch
        )
        up, down = connected.routes[index], connected.routes[count + index]
        return Client(
            index=index,
            name=name,
            work=works[kind],
            samples=samples,
            batches=batches,
            first_epoch=first_epoch,
            batch_sizes=sizes,
            up=index,
            down=count + index,
            up_delay_s=up.delay_s,
            down_delay_s=down.delay_s,
            timing_class=(topology.route_class(name), settings[index], variability.get(index)),
        )

    server = topology.node(topology.server)
    server_profile = profile_of(topology, topology.server)
    counted = {"device": plan.device_block(cut), "server": plan.server_block(cut)}
    if head is not None:
        counted["head"] = (head,)
    return World(
        clock=clock,
        network=connected.network,
        server=make_queue(clock, server.slots, server.queueing),
        clients=Lazy(count, client),
        clients_per_round=plan.scenario.clients_per_round,
        server_work=ServerWork(
            server_profile, plan.server_block(cut), plan.detached_block(cut), values, slots
        ),
        learning=learning,
        able_clients=plan.able(),
        seed=plan.seed,
        input_shape=plan.info.input_shape,
        activation_shape=shape,
        classes=plan.info.classes,
        parameters={part: sum(b.parameters for b in costs) for part, costs in counted.items()},
        tensors={part: sum(b.parameter_tensors for b in costs) for part, costs in counted.items()},
        buffer_bytes={part: sum(b.buffer_bytes for b in costs) for part, costs in counted.items()},
        pooled_batches=PlannedBatches(
            sum(plan.shards.sizes), training.batch_size, training.local_epochs, recipe.min_batch
        ),
        uploads_outstanding=training.uploads_outstanding,
        framing=plan.scenario.scale.framing,
        rows=[],
        client_routes=connected.client_routes,
        transport=connected.transport,
        jitters=connected.jitters,
        churn=(
            Churn(clock, presences, cancels=method.cancels) if presences or method.cancels else None
        ),
        variability=variability,
        time_invariant=not (topology.profiles or connected.jitters or presences or method.cancels)
        and all(settings.time_invariant for settings in variability.values()),
    )


@lru_cache(maxsize=1024)  # clients with as many samples share their batches
def _planned(
    samples: int, batch_size: int, epochs: int, min_batch: int
) -> tuple[tuple[Batch, ...], tuple[Batch, ...], tuple[int, ...]]:
    """Return a round's batches, those of its first epoch, and their sizes."""
    batches = plan_batches(samples, batch_size, epochs, min_batch)
    return batches, batches[: len(batches) // epochs], tuple(batch.size for batch in batches)
