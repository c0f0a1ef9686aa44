"""The methods by name, and the import of a user's own method."""

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from cutlayer.errors import UserError
from cutlayer.models.own_object import import_own_or
from cutlayer.scenarios.methods import Method as MethodEntry
from cutlayer.sim.methods.method import Method, MethodOptions
from cutlayer.suggestion import suggestion

METHODS: Final[dict[str, str]] = {
    "classic_fl": "cutlayer.sim.methods.classic_fl:ClassicFL",
    "splitfed": "cutlayer.sim.methods.splitfed:SplitFed",
    "local_loss": "cutlayer.sim.methods.local_loss:LocalLoss",
    "fedgkt": "cutlayer.sim.methods.fedgkt:FedGKT",
    "ecofed": "cutlayer.sim.methods.ecofed:EcoFed",
    "split_learning": "cutlayer.sim.methods.split_learning:SplitLearning",
    "centralised": "cutlayer.sim.methods.centralised:Centralised",
}


class UnknownMethodError(UserError):
    """An unknown method name, or a name of something that is not a method."""


def method(name: str) -> type[Method]:
    """Return the method with a catalogue name or of `package.module:Object`.

    Raises UnknownMethodError.
    """
    if name in METHODS:
        module, _, attribute = METHODS[name].partition(":")
        built_in: type[Method] = getattr(import_module(module), attribute)
        return built_in
    if ":" not in name:
        raise UnknownMethodError(f"{name} is not a known method{suggestion(name, METHODS)}")
    own = import_own_or(UnknownMethodError, f"{name} cannot be imported", name)
    if not (isinstance(own, type) and issubclass(own, Method)):
        raise UnknownMethodError(f"{name} is not a subclass of cutlayer.sim.methods.method.Method")
    if inspect.isabstract(own):
        missing = ", ".join(sorted(own.__abstractmethods__))
        raise UnknownMethodError(f"{name} is incomplete: it lacks {missing}")
    options = getattr(own, "Options", None)
    if not (isinstance(options, type) and issubclass(options, MethodOptions)):
        raise UnknownMethodError(f"{name} has no Options, a subclass of MethodOptions")
    return own


def options_of(entry: MethodEntry) -> tuple[type[Method], Any]:
    """Return a method entry's class and its validated options.

    Raises UnknownMethodError, or pydantic's ValidationError for a method of the user's own.
    """
    chosen = method(entry.name)
    if isinstance(entry.options, dict):
        return chosen, chosen.Options.model_validate(entry.options)
    return chosen, entry.options


class OptionModels(Mapping[str, type[MethodOptions]]):
    """The options class of every method, by name; a method is imported on access."""

    def __getitem__(self, name: str) -> type[MethodOptions]:
        if name not in METHODS:
            raise KeyError(name)
        return method(name).Options

    def __iter__(self) -> Iterator[str]:
        return iter(METHODS)

    def __len__(self) -> int:
        return len(METHODS)
