"""The initial weights of a run, drawn from the seed or pre-trained, and their digests.

Every method has EcoFed's options (Wu et al., 2024): `random`; `partial`, which loads the blocks before
the scenario's cut from a file; `holistic`, which loads the whole convolutional feature extractor.
`partial` loads the same blocks for every method of a scenario, including classic FL, which has no cut.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cutlayer.models.catalogue import HEAD
from cutlayer.models.errors import WeightsError
from cutlayer.models.weights_files import converted_types, fingerprint, shipped, weights_exist
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.learning.digest import Digest, Ingredient, node
from cutlayer.sim.learning.mixed_cuts import MixedCuts
from cutlayer.sim.learning.recipe import Recipe
from cutlayer.sim.learning.state_key import StateKey, shared
from cutlayer.sim.methods.method import Method
from cutlayer.sim.methods.registry import options_of

if TYPE_CHECKING:
    from torch.nn import Module

    from cutlayer.sim.learning.replica import State


def weights_file(model: str, options: Any) -> Path | None:
    """Return the file of a method's initial weights, or None if they are random.

    Raises WeightsError if the file does not exist, or if no weights are shipped for the model.
    """
    if getattr(options, "init", "random") == "random":
        return None
    name = options.weights or model
    path = shipped(name)
    if path is None and options.weights is None:
        raise WeightsError(
            f"no pre-trained weights are shipped for {model}: make some with "
            "`cutlayer pretrain` and give weights: FILE, or start from init: random"
        )
    if path is None and not weights_exist(path := Path(name)):
        raise WeightsError(f"weights {name} is neither a file nor shipped with the package")
    return path


class Initial(NamedTuple):
    """The initial states, and the tensors that are in none since they are not trained, by name."""

    states: "dict[StateKey, State]"
    frozen: "State"


def initial_weights(
    recipe: Recipe, method: type[Method], options: Any, *, cut: int, mixed: MixedCuts | None = None
) -> Initial:
    """Return the initial weights of "device", "server" and, if the method has one, "head".

    If clients have different cuts, `mixed` names the states. `cut` is the (largest) one of the scenario,
    at which `init: partial` ends; `recipe.cut` is that of the method. Raises WeightsError if a weights
    file is missing, unreadable or does not fit the model.
    """
    from cutlayer.models.catalogue import build
    from cutlayer.models.layers import auxiliary_head
    from cutlayer.models.pretrained import load_into
    from cutlayer.models.tuning.freeze import round_frozen

    model = build(recipe.spec, seed=recipe.seed)
    path = weights_file(recipe.model, options)
    if path is not None:
        stop = model.feature_blocks if options.init == "holistic" else cut
        load_into(model.split(stop).device, path)
        round_frozen(model)

    def module_of(key: StateKey) -> "Module":
        cut = recipe.cut if key.cut is None else key.cut
        if key.part == "head":
            assert cut is not None
            shape, outputs = model.activation_shape(cut), model.activation_shape(len(model))
            return auxiliary_head(shape, outputs, seed=recipe.seed)
        split = model.split(len(model) if cut is None else cut)
        return split.server if key.part == "server" else split.device

    states = {
        key: {
            name: value.detach().clone()
            for name, value in module_of(key).state_dict().items()
            if name.startswith(key.prefix) and name not in model.frozen
        }
        for key in _initial_keys(method, mixed)
    }
    values = model.state_dict()
    return Initial(states, {name: values[name].detach().clone() for name in sorted(model.frozen)})


def _initial_keys(method: type[Method], mixed: MixedCuts | None) -> Sequence[StateKey]:
    has_head = "head" in method.parts
    if mixed is not None:
        return mixed.initial(heads=has_head)
    return shared("device", "server", *(["head"] if has_head else []))


def initial_digests(
    recipe: Recipe, method: type[Method], options: Any, *, cut: int, mixed: MixedCuts | None = None
) -> dict[StateKey, Digest]:
    """Return the digests of `initial_weights` without building them; None if a file is missing."""
    init = getattr(options, "init", "random")
    source: Digest
    try:
        path = weights_file(recipe.model, options)
        source = "" if path is None else fingerprint(path)
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
    described |= recipe.newer
    read = [source, recipe.model_source]
    digests: dict[StateKey, Digest] = {}
    for key in _initial_keys(method, mixed):
        stream: dict[str, Ingredient] = {"stream": HEAD} if key.part == "head" else {}
        digests[key] = node("initial", described | stream | {"part": key.text}, read)
    return digests


def conversions(scenario: Scenario) -> list[str]:
    """Return a line for each tensor type that is converted when a weights file is loaded.

    Files that cannot be read are skipped: not every run uses them.
    """
    lines: dict[str, None] = {}
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
            line = f"weights {path}: {tensors} stored as {stored} and {how} to float32"
            lines[line] = None
    return list(lines)
