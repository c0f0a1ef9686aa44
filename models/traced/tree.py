"""The submodules of a module: after which of them blocks end, and which are inside an operation."""

from collections.abc import Mapping

from torch import nn

from cutlayer.models.traced.tracing import CONTAINERS
from cutlayer.models.tuning.lora import Adapter, adapter_tensors


def insides(module: nn.Module, whole: Mapping[type[nn.Module], str]) -> dict[str, str]:
    """Return the submodules of those that are a single operation, with the reason."""
    found: dict[str, str] = {}
    for path, part in module.named_modules():
        if not path or path in found or type(part) not in whole:
            if not path or not _of_torch(part) or isinstance(part, CONTAINERS) or path in found:
                continue
            reason = f"it is a part of {path!r}, a layer of torch"
        else:
            reason = f"it is a part of {path!r}, which cannot be traced: {whole[type(part)]}"
        found |= {f"{path}.{name}": reason for name, _ in part.named_modules() if name}
    return found


def submodules(module: nn.Module) -> list[str]:
    """Return the names of the module's own submodules, without the parts of adapters."""
    of_adapters = {path for path, part in module.named_modules() if isinstance(part, Adapter)}
    return [
        path
        for path, _ in module.named_modules()
        if path.rpartition(".")[0] not in of_adapters or not path
    ]


def block_ends(module: nn.Module) -> list[str]:
    """Return the submodules that blocks end with: the children, with containers opened.

    A child with more than half of the module's parameters is opened as well if it has a list of layers.
    """
    total = _size(module)

    def opened(path: str, part: nn.Module) -> list[str]:
        found: list[str] = []
        for name, child in part.named_children():
            inner = f"{path}.{name}" if path else name
            own = _size(child)
            large = 2 * own > total and _has_layers(child)
            found += opened(inner, child) if isinstance(child, CONTAINERS) or large else [inner]
        return found

    return opened("", module)


def _has_layers(module: nn.Module) -> bool:
    """Return whether a module that is not of torch has a container of several such modules."""
    if _of_torch(module):
        return False
    containers = [part for part in module.modules() if isinstance(part, CONTAINERS)]
    return any(sum(not _of_torch(child) for child in part.children()) > 1 for part in containers)


def _of_torch(module: nn.Module) -> bool:
    return isinstance(module, Adapter) or type(module).__module__.startswith("torch.nn")


def _size(module: nn.Module) -> int:
    """Return the number of parameters without embeddings, nor adapters, which move no boundary."""
    own = adapter_tensors(module)
    tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    return sum(
        p.numel()
        for name, p in module.named_parameters()
        if name not in own and id(p) not in tables
    )
