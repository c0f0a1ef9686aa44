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
    extents = {
        "clients": loaded.scenario.client_count,
        "links": links_between_nodes(loaded.scenario),
    }
    for limit, count in extents.items():
        yield from _beyond(loaded, limit, count, ("topology",), f"has {count:,} {limit}")


def batch_problems(loaded: Loaded, plan: Plan) -> Iterator[Problem]:
    """Yield a problem for more batches in a round, or in the run, than the limits allow."""
    training = loaded.scenario.training
    batches = round_batches(plan)
    path: KeyPath = ("training",) if training.local_epochs == 1 else ("training", "local_epochs")
    rule = f"makes {batches:,} batches a round"
    a_round = list(_beyond(loaded, "round_batches", batches, path, rule))
    rounds = training.rounds * len(loaded.scenario.methods) * len(loaded.scenario.all_seeds)
    total = batches * rounds
    rule = f"makes {total:,} batches in all ({batches:,} a round, {rounds:,} rounds)"
    yield from a_round or _beyond(loaded, "run_batches", total, ("training", "rounds"), rule)


def round_batches(plan: Plan) -> int:
    """Return the largest number of batches that the clients of a round can have, over all epochs."""
    training = plan.scenario.training
    largest = sorted(plan.shards.sizes, reverse=True)[: plan.scenario.clients_per_round]
    return training.local_epochs * sum(ceil(size / training.batch_size) for size in largest)


def most_events(plan: Plan) -> int:
    """Return the number of events that the clock may process in a round."""
    scenario = plan.scenario
    parts = max(getattr(entry.options, "micro_batches", 1) for entry in scenario.methods)
    parts = min(parts, scenario.training.batch_size)
    return max(scenario.limits.round_events, EVENTS_PER_BATCH * parts * round_batches(plan))


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


def _beyond(
    loaded: Loaded, limit: str, value: int, path: KeyPath, extent: str
) -> Iterator[Problem]:
    allowed = getattr(loaded.scenario.limits, limit)
    if value > allowed:
        setting = f"limits.{limit}: set that to {value} to allow them"
        yield loaded.problem(path, f"{extent}, more than the {allowed:,} of {setting}")
