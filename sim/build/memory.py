"""Estimate the peak memory of a method on each client device and on the server."""

from math import prod
from typing import Any

import numpy as np

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.sim.build.plan import Plan, optimizer_of
from cutlayer.sim.compute.memory import inference_bytes, server_bytes, training_bytes
from cutlayer.sim.methods.method import Method, ServerLoad


def memory_by_device(plan: Plan, method: type[Method]) -> dict[str, int]:
    """Return the estimated peak bytes of each client device under a method, by profile name.

    Each device is charged for the largest batch that one of its clients trains on.
    """
    cut = plan.cut(method)
    blocks = list(plan.blocks[:cut])
    slots = optimizer_of(plan.scenario).state_slots
    if "head" in method.parts:
        blocks.append(plan.model.head(cut))
    batches = np.minimum(plan.trained_samples(), plan.scenario.training.batch_size)
    largest: dict[str, int] = {}
    for device, clients in plan.topology.device_runs():
        largest[device.name] = max(largest.get(device.name, 0), int(batches[clients].max()))
    if method.freezes_device:
        return {name: inference_bytes(blocks, batch) for name, batch in largest.items()}
    slots += method.keeps_received  # a second copy of the weights
    return {name: training_bytes(blocks, batch, slots) for name, batch in largest.items()}


def server_memory(plan: Plan, method: type[Method], options: Any) -> int:
    """Return the estimated peak bytes of the server under a method."""
    cut, training = plan.cut(method), plan.scenario.training
    load = ServerLoad(
        participants=min(plan.scenario.clients_per_round, plan.able_clients()),
        held=np.sort(plan.shards.sizes)[::-1].tolist(),
        trained=np.sort(plan.trained_samples())[::-1].tolist(),
        values=prod(plan.model.activation_shape(cut)),
        batch_size=training.batch_size,
        epochs=training.local_epochs,
        rounds=training.rounds,
    )
    return server_bytes(
        plan.blocks[cut:],
        method.server_batches(load),
        optimizer_of(plan.scenario).state_slots,
        replicas=method.server_replicas(options, load.participants),
        slots=plan.topology.node(plan.topology.server).slots,
        model_parameters=sum(block.parameters for block in plan.blocks),
        kept=method.server_keeps(options, load) + _moment_bytes(plan, method, options),
    )


def _moment_bytes(plan: Plan, method: type[Method], options: Any) -> int:
    """Return the bytes of the moments that the aggregation keeps of the averaged parts."""
    cut = plan.cut(method)
    blocks = {"device": plan.blocks[:cut], "server": plan.blocks[cut:]}
    if "head" in method.parts:
        blocks["head"] = (plan.model.head(cut),)
    parameters = sum(block.parameters for part in method.parts for block in blocks[part])
    return FLOAT_BYTES * parameters * len(method.aggregation(options).moments)
