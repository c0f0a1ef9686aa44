"""The graphs of a module: recorded with proxies or, where that fails, by torch.export."""

from torch import Tensor, fx, nn

from cutlayer.models.traced.failures import TracingError, Untraceable
from cutlayer.models.traced.tracing import trace

Graphs = tuple[dict[bool, fx.Graph], dict[type[nn.Module], str]]


def graphs_of(module: nn.Module, example: Tensor) -> Graphs:
    """Return the graphs of a module in training and in evaluation, and the types left whole.

    The latter have the reason with them. Raises Untraceable for the module itself.
    """
    try:
        graphs, whole = trace(module, example)
    except Untraceable as failure:
        found = _exported(module, example)
        if isinstance(found, TracingError):
            raise Untraceable(failure.path, failure.kind, _both(failure.reason, found)) from None
        return found
    if whole:
        found = _exported(module, example)
        if not isinstance(found, TracingError):
            return found
    return graphs, whole


def _exported(module: nn.Module, example: Tensor) -> Graphs | TracingError:
    # torch's compiler takes a second to import, and few modules need it.
    from cutlayer.models.traced.exporting import exported

    try:
        return exported(module, example), {}
    except TracingError as error:
        return error


def _both(reason: str, found: TracingError) -> str:
    depends = "depends on the values" in reason or "depend" in str(found)
    return reason if depends else f"{reason} (torch.export: {found})"
