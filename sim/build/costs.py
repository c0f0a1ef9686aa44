"""The sizes of a method's model and data at a cut, and what of its weights is sent."""

from math import prod

from cutlayer.sim.build.plan import Plan
from cutlayer.sim.endpoints.fleet import PlannedBatches
from cutlayer.sim.endpoints.payload import label_of
from cutlayer.sim.endpoints.world import Costs, Stays
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.methods.method import Method


def costs_at(plan: Plan, recipe: Recipe, method: type[Method], cut: int) -> Costs:
    """Return the sizes of a method at a cut."""
    training = plan.scenario.training
    shape = plan.model.activation_shape(cut)
    blocks = {"device": plan.blocks[:cut], "server": plan.blocks[cut:]}
    if "head" in method.parts:
        blocks["head"] = (plan.model.head(cut),)
    return Costs(
        input_shape=plan.info.input_shape,
        activation_shape=shape,
        classes=prod(plan.info.output_shape),
        pooled_batches=PlannedBatches(
            sum(plan.shards.sizes), training.batch_size, training.local_epochs, recipe.min_batch
        ),
        parameters={p: sum(b.trained_parameters for b in costs) for p, costs in blocks.items()},
        tensors={p: sum(b.trained_tensors for b in costs) for p, costs in blocks.items()},
        buffer_bytes={p: sum(b.trained_buffer_bytes for b in costs) for p, costs in blocks.items()},
        stays=_stays(plan, cut),
        frozen=(
            sum(block.frozen_bytes for block in blocks["device"]),
            sum(block.frozen_tensors for block in blocks["device"]),
        ),
        trained={
            part: sum(layer.parameter_tensors for b in costs for layer in b.layers)
            for part, costs in blocks.items()
        },
        label=label_of(plan.info.target_values, plan.info.target_bytes),
        takes_tokens=plan.info.input_type == "token",
    )


def _stays(plan: Plan, cut: int) -> dict[str, Stays]:
    """Return what stays at a client of the device block."""
    rule = plan.scenario.model.batch_norm
    if rule == "averaged":
        return {}
    from cutlayer.sim.learning.batch_norm import local_names

    model = plan.module()
    module = model.split(cut).device
    names = local_names(module, rule) - model.frozen
    sizes = {name: value for name, value in module.state_dict().items() if name in names}
    trained = {name: p.numel() for name, p in module.named_parameters() if name in names}
    buffers = sum(value.nbytes for name, value in sizes.items() if name not in trained)
    return {"device": Stays(sum(trained.values()), len(sizes), buffers, len(trained))}
