"""BatchNorm in a federation: which of its tensors stay with their client, and which are not trained.

`averaged` is FedAvg of all tensors. `frozen` trains with the running statistics as they are.
`local_statistics` keeps the running statistics of each client at its device (SiloBN, Andreux et al.,
2020, arXiv 2008.07424); `local` its scale and shift as well (FedBN, Li et al., ICLR 2021, arXiv
2102.07623). What stays is not sent. The shared weights have its mean over the members, for evaluation.
"""

from collections.abc import Set

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cutlayer.models.tuning.freeze import use_running_statistics
from cutlayer.scenarios.batch_norm import STAYS, BatchNorm


def layers(module: nn.Module) -> dict[str, _BatchNorm]:
    """Return the BatchNorm layers of a module by name."""
    return {name: part for name, part in module.named_modules() if isinstance(part, _BatchNorm)}


def local_names(module: nn.Module, rule: BatchNorm) -> frozenset[str]:
    """Return the names, in the state dict, of the tensors that stay with their client."""
    if rule not in STAYS:
        return frozenset()
    names = set()
    for prefix, layer in layers(module).items():
        own = layer.state_dict()
        parameters = {name for name, _ in layer.named_parameters()}
        kept = own.keys() if rule == "local" else own.keys() - parameters
        names |= {f"{prefix}.{name}" if prefix else name for name in kept}
    return frozenset(names)


def freeze_statistics(module: nn.Module) -> None:
    """Let BatchNorm layers with running statistics use them, and not change them, in training too."""
    for layer in layers(module).values():
        if layer.running_mean is not None:
            use_running_statistics(layer)


def problem(module: nn.Module, rule: BatchNorm, frozen: Set[str] = frozenset()) -> str | None:
    """Return why a rule has no effect on a model with these frozen tensors, or None if it has."""
    found = layers(module).values()
    if rule == "averaged":
        return None
    if not (rule == "local" and found) and all(layer.running_mean is None for layer in found):
        what = "BatchNorm" if rule == "local" else "BatchNorm with running statistics"
        return f"has no effect: the model has no {what}"
    if rule in STAYS and local_names(module, rule) <= frozen:
        return "has no effect: what would stay at the clients is frozen"
    return None
