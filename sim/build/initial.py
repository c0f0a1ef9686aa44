"""The weights that a run starts from, and their digests: drawn from the seed, or pre-trained.

Every method has EcoFed's options (Wu et al., 2024): `random`; `partial`, the blocks before the
scenario's cut from a file; `holistic`, the whole convolutional feature extractor. `partial` means the
same blocks for every method of a scenario, also for classic FL, which cuts nowhere.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutlayer.models.catalogue import HEAD
from cutlayer.models.errors import WeightsError
from cutlayer.models.weights_files import (
    converted_types,
    fingerprint,
    shipped,
    weights_exist,
)
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.learning.digest import Digest, Ingredient, node
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.methods.method import Method
from cutlayer.sim.methods.registry import options_of

if TYPE_CHECKING:
    from cutlayer.sim.learning.replica import State


def weights_file(model: str, options: Any) -> Path | None:
    """Return the file that a method's options ask to start a model from, None if none.

    Options without `init` or with `init: random` ask for none. Raises WeightsError if the file is
    not there, or if no device block is shipped for the model.
    """
    if getattr(options, "init", "random") == "random":
        return None
    name = options.weights or model
    found = shipped(name)
    if found is not None:
        return found
    if options.weights is None:
        raise WeightsError(
            f"no pre-trained weights are shipped for {model}: make some with "
            "`cutlayer pretrain` and give weights: FILE, or start from init: random"
        )
    path = Path(name)
    if not weights_exist(path):
        raise WeightsError(f"weights {name} is neither a file nor shipped with the package")
    return path


def initial_states(
    recipe: Recipe, method: type[Method], options: Any, *, cut: int
) -> "dict[str, State]":
    """Return the initial weights of "device", "server" and, where used, "head".

    `cut` is the scenario's, where `init: partial` ends; `recipe.cut` is the method's own. Raises
    WeightsError where a weights file is missing, unreadable or does not fit.
    """
    from cutlayer.models.catalogue import build
    from cutlayer.models.layers import auxiliary_head
    from cutlayer.models.pretrained import load_into

    model = build(
        recipe.model, classes=recipe.classes, input_shape=recipe.input_shape, seed=recipe.seed
    )
    path = weights_file(recipe.model, options)
    if path is not None:
        stop = model.feature_blocks if options.init == "holistic" else cut
        load_into(model.split(stop).device, path)
    split = model.split(recipe.cut)
    states = {"device": _copy(split.device), "server": _copy(split.server)}
    if "head" in method.parts:
        shape = model.activation_shape(recipe.cut)
        states["head"] = _copy(auxiliary_head(shape, recipe.classes, seed=recipe.seed))
    return states


def initial_digests(
    recipe: Recipe, method: type[Method], options: Any, *, cut: int
) -> dict[str, Digest]:
    """Return the digests of `initial_states` without making them; None where a file is missing."""
    source: Digest = ""
    init = getattr(options, "init", "random")
    if init != "random":
        try:
            path = weights_file(recipe.model, options)
            source = None if path is None else fingerprint(path)
        except WeightsError:
            source = None
    ends = {"pretrained_blocks": cut} if init == "partial" and cut != recipe.cut else {}
    described: dict[str, Ingredient] = {
        "network": recipe.model,  # as spelt in recorded digests
        "classes": recipe.classes,
        "input": list(recipe.input_shape),
        "cut": recipe.cut,
        "seed": recipe.seed,
        "init": init,
    } | ends
    read = [source, recipe.model_source]
    parts: dict[str, dict[str, Ingredient]] = {"device": {}, "server": {}}
    if "head" in method.parts:
        parts["head"] = {"stream": HEAD}
    return {
        name: node("initial", described | {"part": name} | own, read) for name, own in parts.items()
    }


def conversions(scenario: Scenario) -> list[str]:
    """Return a line for each tensor type that is converted when a weights file is loaded.

    Files that cannot be read are skipped: not every run uses them.
    """
    lines = {}
    for entry in scenario.methods:
        _, options = options_of(entry)
        try:
            path = weights_file(scenario.model.name, options)
            types = {} if path is None else converted_types(path)
        except WeightsError:
            continue
        for stored, count in types.items():
            tensors = "1 tensor is" if count == 1 else f"{count} tensors are"
            how = "rounded" if stored == "F64" else "converted"
            lines[path, stored] = (
                f"weights {path}: {tensors} stored as {stored} and {how} to float32"
            )
    return list(lines.values())


def _copy(module: Any) -> "State":
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
