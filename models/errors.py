"""Errors of models, cuts, costs and weights files; importing them needs no torch."""

from operator import index

from cutlayer.errors import UserError


class ModelError(UserError):
    """A model whose blocks do not fit together or do not fit its input."""


class CutError(ModelError):
    """A cut beyond the model's last block, or after a submodule where there is none."""


class TuningError(ModelError):
    """A tuning that does not fit the model; `path` is its field, such as ("lora", "targets")."""

    def __init__(self, message: str, path: tuple[str, ...]) -> None:
        super().__init__(message)
        self.path = path


def checked_cut(cut: int, last: int, model: str) -> int:
    """Return `cut` if it is between 0 and `last`, the number of blocks. Raises CutError."""
    if not 0 <= index(cut) <= last:
        raise CutError(
            f"cut {cut} of model {model!r} is out of range: expected 0 (all on the "
            f"server) to {last} (all on the device)"
        )
    return index(cut)


class CostError(UserError):
    """An operation without a cost rule."""


class WeightsError(UserError):
    """A weights file that cannot be read or written, or does not fit a module."""
