"""Build the world of a method from a plan, with or without tensors to train."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.scenarios.training import Closing as ClosingSection
from cutlayer.sim.build.clients import availability, transports, variability
from cutlayer.sim.build.costs import costs_at
from cutlayer.sim.build.edge_nodes import EdgeNodes, edge_nodes_of
from cutlayer.sim.build.initial import initial_digests, initial_weights
from cutlayer.sim.build.memory import starting_cuts
from cutlayer.sim.build.network import ClientNetwork, connect, edge_number
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.work_limits import most_events
from cutlayer.sim.clock import Clock
from cutlayer.sim.compute.queueing import make_queue
from cutlayer.sim.compute.work import DeviceWork, ServerWork
from cutlayer.sim.data.augment import Augmentation
from cutlayer.sim.data.datasets import Dataset
from cutlayer.sim.endpoints.fleet import Client, Fleet, PlannedBatches
from cutlayer.sim.endpoints.nodes import Node
from cutlayer.sim.endpoints.world import Closing, World
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.digest import node
from cutlayer.sim.learning.executor import Runtime
from cutlayer.sim.learning.executors import open_runtime
from cutlayer.sim.learning.learning import Learning
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.log.intervals import SERVER
from cutlayer.sim.methods.carry_over import CarryOver
from cutlayer.sim.methods.method import Method
from cutlayer.sim.methods.registry import options_of
from cutlayer.sim.methods.split_method import SplitMethod
from cutlayer.sim.network.route_runs import Lazy, OnDemand
from cutlayer.topologies import DeviceProfile, Topology


def make_method(
    plan: Plan,
    entry: MethodEntry,
    dataset: Dataset | None,
    *,
    runtime: Runtime | None = None,
    keep_accounts: bool = False,
) -> Method:
    """Build a world and a method in it; with a `dataset`, an executor of `runtime` (inline) trains.

    `keep_accounts` records what limited each transfer of a round, see `cutlayer.sim.transport.Tcp`.
    """
    method, options = options_of(entry)
    return assemble(
        plan, method, entry.name, options, dataset, runtime=runtime, keep_accounts=keep_accounts
    )


def assemble(
    plan: Plan,
    method: type[Method],
    name: str,
    options: Any,
    dataset: Dataset | None = None,
    *,
    runtime: Runtime | None = None,
    keep_accounts: bool = False,
) -> Method:
    """Build a world and a method of a class in it; see `make_method`."""
    recipe = plan.recipe(method, name, options)
    clock = Clock(most_events(plan))
    topology, training = plan.topology, plan.scenario.training
    edge_nodes = edge_nodes_of(topology, options)
    connected = connect(
        plan,
        clock,
        node_types=method.node_types(options),
        edge_nodes=edge_nodes,
        keep_accounts=keep_accounts,
        multicasts=method.multicasts,
    )
    nodes = _nodes(plan, recipe, method, clock, edge_nodes.names[: connected.edges])
    world = World(
        clock=clock,
        network=connected.network,
        transport=connected.transport,
        client_routes=connected.client_routes,
        nodes=nodes,
        route=connected.route,
        fleet=_fleet(plan, recipe, method, clock, connected, edge_nodes),
        costs=OnDemand(lambda cut: costs_at(plan, recipe, method, cut)),
        learning=_learning(plan, recipe, method, options, dataset, runtime),
        uploads_outstanding=training.uploads_outstanding,
        framing=plan.scenario.scale.framing,
        constant_rates=not topology.profiles,
        has_edges=bool(edge_nodes.names),
        closing=_closing(training.closing),
        codecs=plan.codecs(method, options),
        downloads_frozen=plan.scenario.model.download_frozen,
    )
    return _with_carry_over(method(world, options), world.closing)


def _with_carry_over(method: Method, closing: Closing | None) -> Method:
    """Return a method; with `late: next`, its rounds carry late updates over."""
    if closing is None or closing.late == "drop":
        return method
    assert isinstance(method, SplitMethod)
    return CarryOver(method, closing)


def _closing(written: ClosingSection | None) -> Closing | None:
    if written is None:
        return None
    return Closing(written.deadline, written.first, written.min_participants, written.late)


def profile_of(topology: Topology, name: str) -> DeviceProfile:
    """Return the device profile of a client or server."""
    profile = topology.node(name).device
    assert profile is not None, "a topology refuses clients and servers without a device"
    return profile


def _learning(
    plan: Plan,
    recipe: Recipe,
    method: type[Method],
    options: Any,
    dataset: Dataset | None,
    runtime: Runtime | None,
) -> Learning:
    cut, mixed = max(plan.scenario_cuts), plan.mixed_cuts(method)
    running = None
    if dataset is not None:
        from cutlayer.sim.learning.batch_feed import Feed
        from cutlayer.sim.learning.workspace import Workspace

        feed = Feed(dataset, plan.shards, recipe, Augmentation(**recipe.augment))
        states, frozen = initial_weights(recipe, method, options, cut=cut, mixed=mixed)
        runtime = open_runtime("inline") if runtime is None else runtime
        assert runtime is not None
        workspace = Workspace(recipe, feed, states, plan.scenario.numerics, frozen=frozen)
        running = runtime.executor(workspace)

    base = recipe.digest()
    digests = initial_digests(recipe, method, options, cut=cut, mixed=mixed)
    return Learning(
        recipe,
        digests,
        lambda client: node("shard", client, [base]),
        running,
        method.aggregation(options),
        mixed,
        plan.codecs(method, options).cached,
    )


def _nodes(
    plan: Plan, recipe: Recipe, method: type[Method], clock: Clock, edges: Sequence[str]
) -> dict[str, Node]:
    """Return the server and these edge nodes, or peers."""
    topology = plan.topology
    nodes = {}
    for index, name in enumerate((topology.server, *edges)):
        found = topology.node(name)
        queue = make_queue(clock, found.slots, found.queueing)
        works = _server_works(plan, recipe, method, profile_of(topology, name))
        nodes[name] = Node(name, SERVER - index, queue, works)
    return nodes


def _server_works(
    plan: Plan, recipe: Recipe, method: type[Method], profile: DeviceProfile
) -> Mapping[int, ServerWork]:
    """Return the work of the server's operations on a device, by cut."""

    def work(cut: int) -> ServerWork:
        return ServerWork(
            profile,
            plan.blocks[cut:],
            plan.detached_blocks[cut],
            prod(plan.model.activation_shape(cut)),
            recipe.optimizer.state_slots,
            plan.model.head(cut) if "head" in method.parts else None,
        )

    return OnDemand(work)


def _fleet(
    plan: Plan,
    recipe: Recipe,
    method: type[Method],
    clock: Clock,
    connected: ClientNetwork,
    edge_nodes: EdgeNodes,
) -> Fleet:
    topology, training = plan.topology, plan.scenario.training
    transport_of = transports(plan)
    settings = variability(plan)
    works: dict[tuple[str, str, float], Mapping[int, DeviceWork]] = {}
    count = len(topology.clients)
    numbers = {name: edge_number(index) for index, name in enumerate(edge_nodes.names)}

    def works_of(profile: DeviceProfile) -> Mapping[int, DeviceWork]:
        def work(cut: int) -> DeviceWork:
            return DeviceWork(
                profile,
                plan.blocks[:cut],
                plan.model.head(cut) if "head" in method.parts else None,
                prod(plan.model.activation_shape(cut)),
                recipe.optimizer.state_slots,
            )

        return OnDemand(work)

    def client(index: int) -> Client:
        name = topology.clients[index]
        profile = profile_of(topology, name)
        device = (profile.name, profile.stack, profile.speed_factor)
        if device not in works:
            works[device] = works_of(profile)
        samples = plan.shards.sizes[index]
        nearest = edge_nodes.of(index)
        edge = None if nearest is None else numbers[nearest]
        batches, sizes = _planned(
            samples, training.batch_size, training.local_epochs, recipe.min_batch
        )
        return Client(
            index=index,
            name=name,
            profile=profile,
            works=works[device],
            samples=samples,
            batches=batches,
            batch_sizes=sizes,
            up=index,
            down=count + index,
            up_delay_s=connected.routes[index].delay_s,
            down_delay_s=connected.routes[count + index].delay_s,
            timing_class=(
                topology.route_class(name),
                transport_of[index],
                settings.get(index),
                *(() if edge is None else (edge,)),
                *((index,) if edge_nodes.are_peers else ()),  # routes to peers may differ
            ),
            edge=edge,
        )

    return Fleet(
        clock=clock,
        seed=plan.seed,
        clients=Lazy(count, client),
        cuts=starting_cuts(plan, method),
        clients_per_round=plan.scenario.clients_per_round,
        able=plan.able(),
        presences=availability(plan),
        variability_settings=settings,
        jitters=connected.jitters,
        fading=connected.fading,
    )


@lru_cache(maxsize=1024)  # clients with as many samples share their batches
def _planned(
    samples: int, batch_size: int, epochs: int, min_batch: int
) -> tuple[tuple[Batch, ...], tuple[int, ...]]:
    """Return a round's batches and their sizes."""
    batches = tuple(PlannedBatches(samples, batch_size, epochs, min_batch))
    return batches, tuple(batch.size for batch in batches)
