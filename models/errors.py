"""What can be wrong with a model, a cut, a cost or a weights file; no torch is needed to say it."""

from operator import index

from cutlayer.errors import UserError


class ModelError(UserError):
    """A model whose blocks do not fit together or do not fit its input."""


class CutError(ModelError):
    """A cut that the model does not have."""


def checked_cut(cut: int, last: int, model: str) -> int:
    """Return a cut of a model of `last` blocks, or raise CutError where there is none of it."""
    if not 0 <= index(cut) <= last:
        raise CutError(
            f"cut {cut} of model {model!r} is out of range: expected 0 (all on the "
            f"server) to {last} (all on the device)"
        )
    return index(cut)


class CostError(UserError):
    """A module whose cost cannot be told."""


class WeightsError(UserError):
    """A weights file that cannot be read, written or used for a module."""
