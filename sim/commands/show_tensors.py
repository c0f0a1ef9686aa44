"""`cutlayer show model --tensors`: the names that patterns of `trainable`, `frozen` and `lora` match."""

from typing import Final

from cutlayer.models.spec import ModelSpec
from cutlayer.sim.commands.console import CommandConsole
from cutlayer.sim.views.columns import print_grid, print_text

HEADINGS: Final = ("tensor", "shape", "trained", "adaptable")


def print_tensors(console: CommandConsole, spec: ModelSpec) -> None:
    """Print the tensors of a model, whether they are trained, and the layers that can be adapted."""
    from cutlayer.models.catalogue import build
    from cutlayer.models.tuning.lora import is_adaptable
    from cutlayer.models.tuning.names import own_name

    model = build(spec, seed=0, device="meta")
    layers = {key for key, part in model.named_modules() if is_adaptable(part)}
    rows = []
    for key, tensor in model.state_dict().items():
        layer, _, own = key.rpartition(".")
        shape = "x".join(map(str, tensor.shape)) or "1"
        target = "yes" if own == "weight" and layer in layers else ""
        rows.append((own_name(model, key), shape, "no" if key in model.frozen else "yes", target))
    print_text(
        console,
        "Its tensors, by the names that patterns of trainable and frozen match; a target of lora is the "
        "name of an adaptable one without .weight:",
    )
    print_grid(console, HEADINGS, rows)
