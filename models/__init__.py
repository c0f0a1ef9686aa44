"""Models cut into blocks, their costs, the quantiser, and weights files.

Nothing here depends on the simulation. Importing this package does not import torch: each public name
is imported from its module on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutlayer.models.block_cost import BlockCost, LayerCost
    from cutlayer.models.catalogue import MODELS, UnknownModelError, build, resolve
    from cutlayer.models.cost import block_costs, model_cost, module_cost
    from cutlayer.models.draws import initialised
    from cutlayer.models.errors import CostError, CutError, ModelError, TuningError, WeightsError
    from cutlayer.models.layers import auxiliary_head
    from cutlayer.models.model import Model, Split
    from cutlayer.models.pretrained import load_into, save_weights
    from cutlayer.models.quantise import QuantisationError, Quantised, dequantise
    from cutlayer.models.quantise_cost import packed_bytes
    from cutlayer.models.spec import ModelSpec
    from cutlayer.models.tuning.tuning import Lora, Tuning
    from cutlayer.models.weights_files import load_weights, shipped

__all__ = [
    "MODELS",
    "BlockCost",
    "CostError",
    "CutError",
    "LayerCost",
    "Lora",
    "Model",
    "ModelError",
    "ModelSpec",
    "QuantisationError",
    "Quantised",
    "Split",
    "Tuning",
    "TuningError",
    "UnknownModelError",
    "WeightsError",
    "auxiliary_head",
    "block_costs",
    "build",
    "dequantise",
    "initialised",
    "load_into",
    "load_weights",
    "model_cost",
    "module_cost",
    "packed_bytes",
    "resolve",
    "save_weights",
    "shipped",
]

# `quantise` is left out: its module has the same name (cutlayer.models.quantise.quantise).
_NAMES = {
    "block_cost": "BlockCost LayerCost",
    "catalogue": "MODELS UnknownModelError build resolve",
    "cost": "block_costs model_cost module_cost",
    "draws": "initialised",
    "errors": "CostError CutError ModelError TuningError WeightsError",
    "layers": "auxiliary_head",
    "model": "Model Split",
    "pretrained": "load_into save_weights",
    "quantise": "QuantisationError Quantised dequantise",
    "quantise_cost": "packed_bytes",
    "spec": "ModelSpec",
    "tuning.tuning": "Lora Tuning",
    "weights_files": "load_weights shipped",
}
_HOME = {name: home for home, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import a public object on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Return all names, including public ones that have not been imported yet."""
    return sorted({*globals(), *__all__})
