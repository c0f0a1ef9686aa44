"""The amount of work of a scenario, compared with its `limits` before anything is built or run."""

from collections.abc import Iterator
from math import ceil

from cutlayer.scenarios import layout
from cutlayer.scenarios.load import Loaded
from cutlayer.scenarios.problems import KeyPath, Problem
from cutlayer.scenarios.schema import EVENTS_PER_BATCH, Scenario
from cutlayer.sim.build.plan import Plan


def fleet_problems(loaded: Loaded) -> Iterator[Problem]:
    """Yield a problem for more clients, or links between nodes, than the limits allow."""
    scenario = loaded.scenario
    clients = scenario.client_count
    if clients > scenario.limits.clients:
        yield _problem(loaded, ("topology",), f"has {clients:,} clients", "clients", clients)
    links = links_between_nodes(scenario)
    if links > scenario.limits.links:
        yield _problem(loaded, ("topology",), f"has {links:,} links", "links", links)


def batch_problems(loaded: Loaded, plan: Plan) -> Iterator[Problem]:
    """Yield a problem for more batches in a round, or in the run, than the limits allow."""
    scenario = loaded.scenario
    training, limits = scenario.training, scenario.limits
    batches = round_batches(plan)
    path: KeyPath = ("training",) if training.local_epochs == 1 else ("training", "local_epochs")
    if batches > limits.round_batches:
        yield _problem(loaded, path, f"makes {batches:,} batches a round", "round_batches", batches)
        return
    times = training.rounds * len(scenario.methods) * len(scenario.all_seeds)
    if batches * times > limits.run_batches:
        rule = f"makes {batches * times:,} batches in all ({batches:,} a round, {times:,} rounds)"
        yield _problem(loaded, ("training", "rounds"), rule, "run_batches", batches * times)


def round_batches(plan: Plan) -> int:
    """Return the largest number of batches that the clients of a round can have, over all epochs."""
    training = plan.scenario.training
    largest = sorted(plan.shards.sizes, reverse=True)[: plan.scenario.clients_per_round]
    return training.local_epochs * sum(ceil(size / training.batch_size) for size in largest)


def most_events(plan: Plan) -> int:
    """Return the number of events that the clock may process in a round."""
    return max(plan.scenario.limits.round_events, EVENTS_PER_BATCH * round_batches(plan))


def links_between_nodes(scenario: Scenario) -> int:
    """Return the maximum number of links between the nodes of a mesh, a ring or a graph."""
    section = scenario.topology
    if isinstance(section, layout.Mesh):
        return section.sites * (section.sites - 1) // 2
    if isinstance(section, layout.Ring):
        return section.sites
    if isinstance(section, layout.Graph):
        count = {
            name: node.count if isinstance(node, layout.ClientNode) else 1
            for name, node in section.nodes.items()
        }
        return sum(count.get(edge.source, 1) * count.get(edge.target, 1) for edge in section.edges)
    return 0


def _problem(loaded: Loaded, path: KeyPath, extent: str, limit: str, value: int) -> Problem:
    allowed = getattr(loaded.scenario.limits, limit)
    rule = (
        f"{extent}, more than the {allowed:,} of limits.{limit}: set that to {value} to allow them"
    )
    return loaded.problem(path, rule)
