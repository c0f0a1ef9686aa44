"""Estimate the peak memory of a method on client devices, the server and edge nodes."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutlayer.models.block_cost import FLOAT_BYTES, BlockCost
from cutlayer.sim.build.edge_nodes import edge_nodes_of
from cutlayer.sim.build.plan import Plan, optimizer_of
from cutlayer.sim.compute.memory import inference_bytes, server_bytes, training_bytes
from cutlayer.sim.control.controller import CUTS
from cutlayer.sim.methods.method import Method, ServerLoad


def device_blocks(plan: Plan, method: type[Method], cuts: Sequence[int]) -> list[BlockCost]:
    """Return the blocks that devices with these cuts run, including auxiliary heads."""
    blocks = [*plan.blocks[: max(cuts)]]
    if "head" in method.parts:
        blocks += [plan.model.head(cut) for cut in cuts]
    return blocks


def memory_by_cut(plan: Plan, method: type[Method]) -> dict[tuple[str, int], int]:
    """Return the estimated peak bytes of client devices under a method, by profile name and cut.

    Each device is charged for the largest batch that one of its clients with this cut trains on. If a
    controller sets cuts, these are the ones that fit into the device's memory, or the least demanding
    one.
    """
    batches = np.minimum(plan.trained_samples(), plan.scenario.training.batch_size)
    if plan.controlled(method, CUTS):
        return _by_allowed_cut(plan, method, batches)
    cuts, shards = np.asarray(plan.method_cuts(method)), np.asarray(plan.shards.sizes)
    largest: dict[tuple[str, int], tuple[int, int]] = {}
    for device, clients in plan.topology.device_runs():
        of_run, batches_of_run = cuts[clients], batches[clients]
        for cut in np.unique(of_run).tolist():
            batch = int(batches_of_run[of_run == cut].max())
            held = int(shards[clients][of_run == cut].max())
            before = largest.get((device.name, cut), (0, 0))
            largest[device.name, cut] = max(before[0], batch), max(before[1], held)
    return {
        (name, cut): device_memory(plan, method, cut, batch, held)
        for (name, cut), (batch, held) in largest.items()
    }


def _by_allowed_cut(
    plan: Plan, method: type[Method], batches: NDArray[np.int64]
) -> dict[tuple[str, int], int]:
    memories, largest = {}, dict[str, tuple[int, int]]()
    shards = np.asarray(plan.shards.sizes)
    for device, clients in plan.topology.device_runs():
        memories[device.name] = device.memory_bytes
        batch, held = largest.get(device.name, (0, 0))
        largest[device.name] = (
            max(batch, int(batches[clients].max())),
            max(held, int(shards[clients].max())),
        )
    needs: dict[tuple[str, int], int] = {}
    for name, sizes in largest.items():
        memory = memories[name]
        of_cut = {cut: device_memory(plan, method, cut, *sizes) for cut in plan.cuts(method)}
        fitting = [cut for cut, need in of_cut.items() if memory is None or need <= memory]
        for cut in fitting or [min(of_cut, key=lambda cut: of_cut[cut])]:
            needs[name, cut] = of_cut[cut]
    return needs


def allowed_cuts(plan: Plan, method: type[Method]) -> dict[str, tuple[int, ...]]:
    """Return the cuts among which a controller may choose, by profile name, ascending."""
    cuts: dict[str, tuple[int, ...]] = {}
    for name, cut in memory_by_cut(plan, method):
        cuts[name] = (*cuts.get(name, ()), cut)
    return cuts


def starting_cuts(plan: Plan, method: type[Method]) -> Sequence[int]:
    """Return each client's cut before any decision: the scenario's, or the nearest that is allowed."""
    cuts = plan.method_cuts(method)
    if not plan.controlled(method, CUTS):
        return cuts
    allowed, nearest = allowed_cuts(plan, method), [*cuts]
    for device, clients in plan.topology.device_runs():
        of_device = allowed[device.name]
        for client in range(*clients.indices(len(nearest))):
            cut = nearest[client]
            nearest[client] = min(of_device, key=lambda other: (abs(other - cut), other))
    return nearest


def memory_by_device(plan: Plan, method: type[Method]) -> dict[str, int]:
    """Return the largest of `memory_by_cut` for each profile name."""
    largest: dict[str, int] = {}
    for (name, _), needed in memory_by_cut(plan, method).items():
        largest[name] = max(largest.get(name, 0), needed)
    return largest


def device_memory(plan: Plan, method: type[Method], cut: int, batch: int, held: int = 0) -> int:
    """Return the estimated peak bytes of a client device with this cut and largest batch.

    The device's codec may keep values of the `held` samples of its shard.
    """
    blocks = device_blocks(plan, method, [cut])
    kept = plan.codecs(method).cached_bytes("device", plan.model.activation_shape(cut), held)
    if method.freezes_device:
        return inference_bytes(blocks, batch) + kept
    slots = optimizer_of(plan.scenario).state_slots + method.keeps_received  # a second copy
    return training_bytes(blocks, batch, slots) + kept


def server_memory(plan: Plan, method: type[Method], options: Any) -> int:
    """Return the estimated peak bytes of the server under a method.

    If clients have several cuts, those whose blocks take most memory on the server are counted, and
    stored activations have the largest size of any cut. If edge nodes have the server block, the server
    only has the model, its sum and the aggregation's moments.
    """
    able = np.asarray(plan.able(), dtype=np.intp)
    moments = _moment_bytes(plan, method, options)
    if "server" not in method.node_types(options):
        able = able[:0]
    return _node_memory(plan, method, options, plan.topology.server, able, moments)


def edge_memory(plan: Plan, method: type[Method], options: Any) -> dict[str, int]:
    """Return the estimated peak bytes of each edge node or peer that a method uses, by its name.

    A peer also trains its own device block.
    """
    if "edge" not in method.node_types(options):
        return {}
    edge_nodes = edge_nodes_of(plan.topology, options)
    behind: dict[str | None, list[int]] = {}
    for client in plan.able():
        behind.setdefault(edge_nodes.of(client), []).append(client)
    has_block = "server" not in method.node_types(options)
    needs = {
        name: _node_memory(plan, method, options, name, np.array(behind[name] * has_block, int), 0)
        for name in edge_nodes.names
        if name in behind
    }
    if edge_nodes.are_peers:
        cuts, samples = plan.method_cuts(method), plan.trained_samples()
        for client, name in enumerate(plan.topology.clients):
            if name in needs and samples[client]:
                batch = min(int(samples[client]), plan.scenario.training.batch_size)
                needs[name] += device_memory(plan, method, cuts[client], batch)
    return needs


def _node_memory(
    plan: Plan,
    method: type[Method],
    options: Any,
    node: str,
    clients: NDArray[np.int64],
    moments: int,
) -> int:
    """Return the peak bytes of a node that has the server blocks of these clients."""
    training = plan.scenario.training
    cuts = plan.cuts(method)
    edges = getattr(options, "edges", None)
    closing = training.closing
    carried_over = (
        closing is not None and closing.late == "next"
    )  # late clients beside those of a round
    load = ServerLoad(
        participants=len(clients)
        if carried_over
        else min(plan.scenario.clients_per_round, len(clients)),
        held=np.sort(np.asarray(plan.shards.sizes)[clients])[::-1].tolist(),
        trained=np.sort(plan.trained_samples()[clients])[::-1].tolist(),
        values=max(prod(plan.model.activation_shape(cut)) for cut in cuts),
        batch_size=training.batch_size,
        epochs=training.local_epochs,
        rounds=training.rounds * (1 if edges is None else edges.rounds),
        classes=plan.model.classes,
        label_bytes=plan.info.target_bytes,
    )
    seen = sum(load.held[: method.clients_received(options, load)])
    codecs = plan.codecs(method, options).cached_bytes("server", (load.values,), seen)
    replicas = method.server_replicas(options, load.participants)
    one_cut = [(plan.blocks[cuts[0] :], replicas, method.server_batches(options, load))]
    return server_bytes(
        one_cut if len(cuts) == 1 else _by_cut(plan, method, replicas),
        optimizer_of(plan.scenario).state_slots,
        replicas=replicas,
        slots=plan.topology.node(node).slots,
        model=plan.blocks,
        kept=method.server_keeps(options, load) + codecs + moments,
    )


def _by_cut(
    plan: Plan, method: type[Method], replicas: int
) -> list[tuple[tuple[BlockCost, ...], int, list[int]]]:
    """Return the server block of each cut, its clients, and their batches, largest first."""
    cuts, able = np.asarray(_shallowest(plan, method)), np.asarray(plan.able())
    batches = np.minimum(plan.trained_samples(), plan.scenario.training.batch_size)
    of_cut = {cut: able[cuts[able] == cut] for cut in plan.cuts(method)}
    return [
        (plan.blocks[cut:], min(len(clients), replicas), np.sort(batches[clients])[::-1].tolist())
        for cut, clients in of_cut.items()
    ]


def _shallowest(plan: Plan, method: type[Method]) -> Sequence[int]:
    """Return each client's smallest cut, which needs most memory on the server."""
    cuts = plan.method_cuts(method)
    if not plan.controlled(method, CUTS):
        return cuts
    allowed, smallest = allowed_cuts(plan, method), [*cuts]
    for device, clients in plan.topology.device_runs():
        count = len(range(*clients.indices(len(smallest))))
        smallest[clients] = [min(allowed[device.name])] * count
    return smallest


def _moment_bytes(plan: Plan, method: type[Method], options: Any) -> int:
    """Return the bytes of the moments that the aggregation keeps of the averaged parts."""
    cuts = plan.cuts(method)
    blocks = [*(plan.blocks if "device" in method.parts else plan.blocks[min(cuts) :])]
    if "head" in method.parts:
        blocks += [plan.model.head(cut) for cut in cuts]
    parameters = sum(block.trained_parameters for block in blocks)
    return FLOAT_BYTES * parameters * len(method.aggregation(options).moments)
