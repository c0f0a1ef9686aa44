"""Load a trained model that `cutlayer run --save-model` has saved."""

import json
from os import PathLike
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from cutlayer.models.catalogue import build, with_ends, without_ends
from cutlayer.models.errors import WeightsError
from cutlayer.models.packages.names import package_of
from cutlayer.models.pretrained import load_into
from cutlayer.models.spec import ModelSpec
from cutlayer.models.tuning import apply
from cutlayer.models.tuning.tuning import Tuning
from cutlayer.models.weights_files import load_metadata

if TYPE_CHECKING:
    from cutlayer.models.model import Model


def load_model(
    path: str | PathLike[str], *, model: str | None = None, merge: bool = False
) -> "Model":
    """Return a saved model with its trained weights, an `nn.Module` in evaluation mode.

    It maps inputs [n, *input shape], normalised with the `mean` and `std` of its metadata, to class
    scores [n, classes]. A file never names code to run: for a model of your own, pass its name as
    `model="package.module:Object"`. With `merge`, adapters (LoRA) are added to the weights of their
    layers, so that the model has the tensors of one without them. Raises WeightsError if the file is not
    a saved model or does not fit.
    """
    about = load_metadata(path)
    where = f"weights file {str(path)!r}"
    try:
        name, recipe = about["model"], json.loads(about["recipe"])
        classes, shape = int(about["classes"]), tuple(map(int, json.loads(about["input_shape"])))
        seed = int(recipe["seed"])
        tuning = TypeAdapter(Tuning).validate_python(recipe.get("tuning", {}))
    except (KeyError, ValueError, TypeError):
        raise WeightsError(
            f"{where} is not a model of `cutlayer run --save-model`: its metadata lack the recipe"
            " (cutlayer.models.load_weights returns the tensors of any file)"
        ) from None
    plain, ends = without_ends(name)
    if model is None and ":" in name:
        whose = "a model of a package" if package_of(plain) else "a model of your own"
        raise WeightsError(f"{where} has the weights of {whose}: pass model={plain!r}")
    if model is not None and ends:
        model = with_ends(model, ends)
    brought = {key: recipe.get(key) for key in ("vocabulary", "pretrained", "padding")}
    made = build(ModelSpec(model or name, classes, shape, tuning=tuning, **brought), seed=seed)
    load_into(made, path)
    if merge:
        apply.merge(made)
    return made.eval()
