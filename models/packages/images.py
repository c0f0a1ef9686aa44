"""Image classifiers of timm and torchvision by their names there.

Weights are drawn from the seed unless `pretrained: true` asks for those of the package, which it
downloads. The last layer, which depends on the number of classes, is drawn in any case.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module

import torch
from torch import Tensor, nn

from cutlayer.models.block_cost import Shape
from cutlayer.models.errors import ModelError
from cutlayer.suggestion import suggestion

Make = Callable[[int, Shape, bool], nn.Module]  # of the classes, the input's shape, with weights


@lru_cache(maxsize=32)
def factory(package: str, model: str) -> Callable[..., nn.Module]:
    """Return the function that makes a model. Raises ModelError for an unknown name."""
    make = _of_timm(model) if package == "timm" else _of_torchvision(model)

    def made(classes: int, input_shape: Shape, pretrained: bool | None = None) -> nn.Module:
        """Return the model; on `meta`, weights are not loaded."""
        drawn = make(classes, input_shape, False)
        if pretrained and not torch.empty(0).is_meta:
            with torch.device("meta"):
                other = make(classes + 1, input_shape, False).state_dict()
            weights = make(classes, input_shape, True).state_dict()
            drawn.load_state_dict(_fitting(weights, other), strict=False)
        return drawn

    return made


def _fitting(weights: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights whose shape does not depend on the number of classes."""
    return {name: value for name, value in weights.items() if value.shape == other[name].shape}


def _of_timm(model: str) -> Make:
    timm = import_module("timm")
    if not model.startswith("hf-hub:") and not timm.is_model(model):
        known = suggestion(model, timm.list_models())
        raise ModelError(f"unknown model 'timm:{model}'{known}")

    def make(classes: int, input_shape: Shape, pretrained: bool) -> nn.Module:
        options = {"pretrained": pretrained, "num_classes": classes, "in_chans": input_shape[0]}
        try:  # a transformer is made for one size of its images
            made: nn.Module = timm.create_model(model, img_size=input_shape[1:], **options)
        except TypeError:
            made = timm.create_model(model, **options)
        return made

    return make


def _of_torchvision(model: str) -> Make:
    models = import_module("torchvision.models")
    names = models.list_models(module=models)
    if model not in names:
        raise ModelError(f"unknown model 'torchvision:{model}'{suggestion(model, names)}")

    def make(classes: int, input_shape: Shape, pretrained: bool) -> nn.Module:
        del input_shape
        made: nn.Module = models.get_model(model, weights=None, num_classes=classes)
        if pretrained:
            weights = models.get_model_weights(model).DEFAULT.get_state_dict(progress=False)
            own = made.state_dict()
            fitting = {
                key: value for key, value in weights.items() if value.shape == own[key].shape
            }
            made.load_state_dict(fitting, strict=False)
        return made

    return make
