"""What can be wrong with a model, a cut, a cost or a weights file; no torch is needed to say it."""

from cutlayer.errors import UserError


class ModelError(UserError):
    """A model whose blocks do not fit together or do not fit its input."""


class CutError(ModelError):
    """A cut that the model does not have."""


class CostError(UserError):
    """A module whose cost cannot be told."""


class WeightsError(UserError):
    """A weights file that cannot be read, written or used for a module."""
