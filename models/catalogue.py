"""Models by name: the built-in ones, those of packages, and a user's own as `package.module:Object`."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, overload

from cutlayer.errors import UserError
from cutlayer.models.errors import ModelError
from cutlayer.models.own_object import import_own_or, reason_of
from cutlayer.models.packages.names import factory as packaged_factory
from cutlayer.models.packages.names import package_of
from cutlayer.models.spec import ModelSpec
from cutlayer.suggestion import suggestion

if TYPE_CHECKING:
    from torch import nn

    from cutlayer.models.model import Model
    from cutlayer.models.tuning.apply import Tuned

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
    "vit-tiny": "cutlayer.models.vit:vit_tiny",
    "gpt2": "cutlayer.models.gpt:gpt2",
    "gpt-mini": "cutlayer.models.gpt:gpt_mini",
    "gpt-nano": "cutlayer.models.gpt:gpt_nano",
    "text-mini": "cutlayer.models.text:text_mini",
}
# Those that take tokens, for the data that they are listed for: that of GPT-2, bytes, and words.
TOKEN_MODELS: Final = {
    "gpt2": ModelSpec("gpt2", 50_257, (1_024,), 50_257),
    "gpt-mini": ModelSpec("gpt-mini", 258, (128,), 258),
    "gpt-nano": ModelSpec("gpt-nano", 258, (128,), 258),
    "text-mini": ModelSpec("text-mini", 10, (128,), 10_003, padding=0),
}


# The random stream of the auxiliary head's initial weights. It is part of learning digests.
HEAD: Final = "auxiliary head"


class UnknownModelError(UserError):
    """An unknown model name, or an object that is not a model."""


_ENDS: Final = "@"  # between the name of a model and submodules after which its blocks end


def with_ends(name: str, submodules: Sequence[str]) -> str:
    """Return the name of a model whose blocks end after these submodules, too."""
    return f"{name}{_ENDS}{','.join(submodules)}"


def without_ends(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the parts of such a name: that of the model, and the submodules."""
    plain, mark, ends = name.rpartition(_ENDS)
    if not mark or "/" in ends:  # a folder's name may have the character, too
        return name, ()
    return plain, tuple(ends.split(",")) if ends else ()


def resolve(name: str) -> "Callable[..., nn.Module]":
    """Return the function that builds a model of the catalogue, of a package, or a user's own.

    It is called as `Object(classes=10, input_shape=(3, 32, 32), vocabulary=None)`, or with fewer of
    these, and returns a Model or another `nn.Module`. Raises UnknownModelError, with the closest name.
    """
    if name in MODELS:
        module_name, _, object_name = MODELS[name].partition(":")
        built_in: Callable[..., Model] = getattr(import_module(module_name), object_name)
        return built_in
    if package_of(name) is not None:
        return packaged_factory(name)
    if ":" not in name:
        raise UnknownModelError(
            f"unknown model {name!r}{suggestion(name, MODELS)}"
            " (your own is named package.module:Object, that of a package transformers:NAME)"
        )
    factory: Callable[..., nn.Module] = import_own_or(
        UnknownModelError, f"model {name!r} cannot be loaded", name
    )
    from torch.nn import Module

    if not callable(factory) or isinstance(factory, Module):
        raise UnknownModelError(
            f"model {name!r} is {type(factory).__name__}, expected a class or function that makes a "
            "model: its weights are drawn from the scenario's seed"
        )
    return factory


@overload
def build(
    model: str,
    *,
    classes: int,
    input_shape: Sequence[int] = (3, 32, 32),
    seed: int,
    device: str = "cpu",
) -> "Model": ...
@overload
def build(model: ModelSpec, *, seed: int, device: str = "cpu") -> "Model": ...
def build(
    model: str | ModelSpec,
    *,
    classes: int | None = None,
    input_shape: Sequence[int] = (3, 32, 32),
    seed: int,
    device: str = "cpu",
) -> "Model":
    """Build a model with weights drawn from `seed`; torch's global generator is unchanged.

    `model` is a name, with `classes` and `input_shape`, or a ModelSpec. `device="meta"` builds it
    without weights or memory. A module that is not a Model is traced and split into blocks. Raises
    UnknownModelError for the name and ModelError if the input does not fit.
    """
    if isinstance(model, ModelSpec):
        return _build(model, seed, device)
    assert classes is not None, "a model by name needs its number of classes"
    return _build(ModelSpec(model, classes, tuple(input_shape)), seed, device)


def _build(spec: ModelSpec, seed: int, device: str) -> "Model":
    name = spec.name
    plain_name, ends = without_ends(name)
    factory = resolve(plain_name)
    from torch.nn import Module

    from cutlayer.models.draws import initialised
    from cutlayer.models.model import Model
    from cutlayer.models.tuning.apply import finished, tune

    if spec.classes < 1:
        raise ModelError(f"model {name!r} needs at least 1 class, got {spec.classes}")
    make = partial(factory, **_arguments(plain_name, factory, spec))

    def checked() -> "nn.Module":
        made = make()
        if not isinstance(made, Module):
            kind = type(made).__name__
            raise UnknownModelError(f"model {name!r} returned a {kind}, expected a torch.nn.Module")
        return made

    def plain(device: str) -> "nn.Module":
        try:
            return initialised(checked, seed=seed, device=device)
        except (ModelError, UnknownModelError):
            raise
        except Exception as error:  # a user's model may raise anything
            if device != "meta":
                reason = reason_of(error)
                raise UnknownModelError(f"model {name!r} cannot be built ({reason})") from error
            return plain("cpu").to("meta")  # what it computes from tensors needs their values

    def made(device: str) -> "tuple[nn.Module, Tuned]":
        module = plain(device)
        return module, tune(module, spec.tuning, seed)

    module, tuned = made(device)
    if isinstance(module, Model):
        return finished(module, spec.tuning, tuned)
    from cutlayer.models.traced.wrap import traced_model

    on_meta = (lambda: module) if device == "meta" else (lambda: made("meta")[0])
    model = traced_model(spec, module, on_meta, factory, ends)
    return finished(model, spec.tuning, tuned._replace(frozen=model.keys_of(tuned.frozen)))


def _arguments(name: str, factory: "Callable[..., nn.Module]", spec: ModelSpec) -> dict[str, Any]:
    """Return the arguments that a factory takes: the classes, the shape of an input, and of tokens.

    A factory that takes any argument by name gets no vocabulary and no padding.
    """
    signature = inspect.signature(factory)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    own = getattr(factory, "__init__", None)
    anything = inspect.Parameter.VAR_KEYWORD in kinds and not _is_of_torch(own)
    classes = "num_classes" if "num_classes" in signature.parameters else "classes"
    arguments: dict[str, Any] = {classes: spec.classes, "input_shape": spec.input_shape}
    chosen = {
        key: value for key, value in arguments.items() if anything or key in signature.parameters
    }
    of_tokens = {"vocabulary": spec.vocabulary, "padding": spec.padding}
    chosen |= {key: value for key, value in of_tokens.items() if key in signature.parameters}
    if spec.pretrained is not None:
        if "pretrained" not in signature.parameters:
            raise ModelError(f"model {name!r} brings no weights: remove pretrained")
        chosen["pretrained"] = spec.pretrained
    try:
        signature.bind(**chosen)
    except TypeError as error:
        raise UnknownModelError(
            f"model {name!r} must accept classes, input_shape and vocabulary, or fewer parameters "
            f"({error})"
        ) from error
    return chosen


def _is_of_torch(initialise: object) -> bool:
    """Return whether a class has no `__init__` of its own, and takes nothing."""
    return getattr(initialise, "__module__", "") == "torch.nn.modules.module"
