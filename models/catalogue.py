"""Models by name: the built-in ones, and a user's own as `package.module:Object`."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from cutlayer.errors import UserError
from cutlayer.models.own_object import import_own_or, reason_of
from cutlayer.suggestion import suggestion

if TYPE_CHECKING:
    from cutlayer.models.model import Model

MODELS: dict[str, str] = {
    "vgg5": "cutlayer.models.plain:vgg5",
    "vgg11": "cutlayer.models.plain:vgg11",
    "vgg19": "cutlayer.models.plain:vgg19",
    "resnet9": "cutlayer.models.resnet:resnet9",
    "resnet12": "cutlayer.models.resnet:resnet12",
    "alexnet": "cutlayer.models.plain:alexnet",
    "lenet": "cutlayer.models.plain:lenet",
    "mobilenetv2": "cutlayer.models.mobilenet:mobilenetv2",
    "mobilenetv2-050": "cutlayer.models.mobilenet:mobilenetv2_050",
    "resnet18": "cutlayer.models.resnet:resnet18",
    "resnet34": "cutlayer.models.resnet:resnet34",
    "resnet50": "cutlayer.models.resnet:resnet50",
    "mobilenetv3-small": "cutlayer.models.mobilenet:mobilenetv3_small",
    "vit-small": "cutlayer.models.vit:vit_small",
}


# The random stream of the auxiliary head's initial weights. It is part of learning digests.
HEAD: Final = "auxiliary head"


class UnknownModelError(UserError):
    """An unknown model name, or an object that is not a model."""


def resolve(name: str) -> "Callable[..., Model]":
    """Return the function that builds a model of the catalogue or a user's `package.module:Object`.

    It is called as `Object(classes=10, input_shape=(3, 32, 32))` and returns a Model.
    Raises UnknownModelError, with the closest name.
    """
    if name in MODELS:
        module_name, _, object_name = MODELS[name].partition(":")
        built_in: Callable[..., Model] = getattr(import_module(module_name), object_name)
        return built_in
    if ":" not in name:
        raise UnknownModelError(
            f"unknown model {name!r}{suggestion(name, MODELS)}"
            " (your own is named package.module:Object)"
        )
    factory: Callable[..., Model] = import_own_or(
        UnknownModelError, f"model {name!r} cannot be loaded", name
    )
    if not callable(factory):
        raise UnknownModelError(
            f"model {name!r} is {type(factory).__name__}, expected a callable with the parameters "
            "classes and input_shape"
        )
    return factory


def build(
    name: str,
    *,
    classes: int,
    input_shape: Sequence[int] = (3, 32, 32),
    seed: int,
    device: str = "cpu",
) -> "Model":
    """Build a model by name, with weights drawn from `seed`; torch's global generator is unchanged.

    `device="meta"` builds it without weights or memory. Raises UnknownModelError for the name and
    ModelError if the input does not fit.
    """
    factory = resolve(name)
    from cutlayer.models.draws import initialised
    from cutlayer.models.errors import ModelError
    from cutlayer.models.model import Model

    if classes < 1:
        raise ModelError(f"model {name!r} needs at least 1 class, got {classes}")
    arguments: dict[str, Any] = {"classes": classes, "input_shape": tuple(input_shape)}
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        raise UnknownModelError(
            f"model {name!r} must accept classes and input_shape ({error})"
        ) from error
    try:
        model = initialised(partial(factory, **arguments), seed=seed, device=device)
    except ModelError:
        raise
    except Exception as error:  # a user's model may raise anything
        raise UnknownModelError(f"model {name!r} cannot be built ({reason_of(error)})") from error
    if not isinstance(model, Model):
        raise UnknownModelError(
            f"model {name!r} returned a {type(model).__name__}, expected a cutlayer.models.Model"
        )
    return model
